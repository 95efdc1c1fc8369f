"""All that runs in Lambda, and nothing else: event -> schema -> classifier -> interpreter -> response."""

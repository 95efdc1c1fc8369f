"""The bundle and what it says: loading, tokenizing, running, checking."""

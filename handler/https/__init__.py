"""HTTP as gateways speak it: requests, answers, pages."""

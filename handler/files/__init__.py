"""Files of texts, in S3 or not: reading them, answering them, and doing it once."""

"""Labelled texts: reading, cleaning, splitting, auditing, tokenizing."""

"""A file a format: bytes on a disk become rows, each with its line and its columns by name."""

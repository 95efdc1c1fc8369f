"""The `fenlei` command: each command parses, calls and prints."""

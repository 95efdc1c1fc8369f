"""The `fenlei` command as a wheel brings it."""

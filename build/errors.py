"""What goes wrong while a package is built."""


class BuildError(Exception):
    """The package cannot be built; one sentence for the user: what, where, what to do instead."""

"""What goes wrong on the command line; a branch of the tree in handler/errors.py.

FenleiError
└── CommandError
    ├── InputError      the call or the input is wrong (exit 2)
    └── WorkError       the work failed (exit 1)
        └── ParityError     TensorFlow Lite does not say what Keras says
"""

from handler.errors import FenleiError


class CommandError(FenleiError):
    """Base of what a command reports in one sentence; `exit_code` is the status it ends with."""

    exit_code = 1


class InputError(CommandError):
    """The call or the input is wrong."""

    exit_code = 2


class WorkError(CommandError):
    """The work failed."""


class ParityError(WorkError):
    """TensorFlow Lite does not say what Keras says; the converted model must not be served."""

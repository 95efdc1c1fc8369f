"""Model families, a file each. To add one, write a module here that holds a `FAMILY`."""

import importlib
import pkgutil
from functools import cache

from training.errors import InputError
from training.learning.job import Family


@cache
def families() -> dict[str, Family]:
    """Every family in this folder, by name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return {module.FAMILY.name: module.FAMILY for module in modules}


def get_family(name: str) -> Family:
    """Gives a family by name. Raises InputError if there is none."""
    try:
        return families()[name]
    except KeyError:
        raise InputError(f"There is no model family {name!r}; there is: {', '.join(families())}.") from None

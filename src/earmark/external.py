"""Classes that are written elsewhere, by "module:Class"."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from earmark.config import ConfigError, nearest

T = TypeVar("T")


def import_target(target: str, base: type[T]) -> type[T]:
    """Return the class that "module:Class" names; modules of the working folder are found too.

    Raises:
        ConfigError: it is not of that form, cannot be imported, or is no concrete `base`.
    """
    module, separator, name = target.partition(":")
    if not (module and separator and name):
        raise ConfigError(
            f'target = {target!r} should be "module:Class", such as "my_models:Mine".'
        )
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        found = import_module(module)
    except ImportError as error:
        raise ConfigError(f"target = {target!r}: {module} cannot be imported: {error}") from None
    value = vars(found).get(name)
    if value is None:
        classes = [key for key, each in vars(found).items() if isinstance(each, type)]
        raise ConfigError(f"target = {target!r}: {module} has no {name}.{nearest(name, classes)}")
    if not (isinstance(value, type) and issubclass(value, base)):
        raise ConfigError(
            f"target = {target!r} should be a class derived from "
            f"{base.__module__}.{base.__qualname__}; it is {value!r}."
        )
    return value

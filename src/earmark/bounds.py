"""Bounds that `msgspec.Meta` states on the fields of a struct, held against values.

msgspec itself looks at them only where it decodes, lets NaN and infinity pass where no bound is
stated, and says little of what to write instead.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

_Sized = inspect.StrType | inspect.ListType | inspect.VarTupleType
_LISTS = (inspect.ListType, inspect.VarTupleType)


@functools.cache
def field_types(config: type[msgspec.Struct]) -> tuple[tuple[str, inspect.Type], ...]:
    """Return the name and the type of each field of a struct."""
    info = inspect.type_info(config)
    assert isinstance(info, inspect.StructType)
    return tuple((field.name, field.type) for field in info.fields)


def out_of_bounds(expected: inspect.Type, value: Any, at: str) -> str:
    """Return what is wrong with the first value out of bounds in `value`, "" where there is none.

    Values of another type than `expected` are passed over, and so are configs: each checks itself.
    """
    description = ""
    if isinstance(expected, inspect.Metadata):
        description = (expected.extra_json_schema or {}).get("description", "")
        expected = expected.type
    if isinstance(expected, inspect.UnionType):
        problems = (out_of_bounds(member, value, at) for member in expected.types)
        return next(filter(None, problems), "")
    if wanted := _bound_missed(expected, value, description):
        return f"{at} = {as_toml(value)}: expected {wanted}"
    inner: Iterable[tuple[str, inspect.Type, Any]] = ()
    if isinstance(value, list | tuple):
        inner = ((f"[{n}]", kind, item) for n, (kind, item) in _items_of(expected, value))
    elif isinstance(value, dict) and not isinstance(expected, inspect.StructType):
        kind = expected.value_type if isinstance(expected, inspect.DictType) else inspect.AnyType()
        inner = ((f".{key}", kind, item) for key, item in value.items())
    problems = (out_of_bounds(kind, item, at + place) for place, kind, item in inner)
    return next(filter(None, problems), "")


def _items_of(
    expected: inspect.Type, values: Sequence[Any]
) -> Iterator[tuple[int, tuple[inspect.Type, Any]]]:
    """Yield the place, the type and the value of each item of a list."""
    kinds: Iterable[inspect.Type] = itertools.repeat(inspect.AnyType())
    if isinstance(expected, inspect.ListType | inspect.VarTupleType):
        kinds = itertools.repeat(expected.item_type)
    elif isinstance(expected, inspect.TupleType):
        kinds = expected.item_types
    return enumerate(zip(kinds, values, strict=False))


def _bound_missed(expected: inspect.Type, value: Any, description: str) -> str:
    """Return what is expected of a number, a text or a list, where `value` is something else."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if isinstance(value, int | float) and isinstance(expected, inspect.IntType | inspect.FloatType):
        return _range_missed(expected, value)
    if isinstance(value, str) and isinstance(expected, inspect.StrType):
        if expected.pattern and not re.search(expected.pattern, value):
            return description or f"text that matches {expected.pattern}"
        return _length_missed(expected, len(value), "character")
    if isinstance(value, list | tuple) and isinstance(expected, _LISTS):
        return _length_missed(expected, len(value), "value")
    return ""


def _range_missed(expected: inspect.IntType | inspect.FloatType, value: float) -> str:
    bounds = (
        (">=", expected.ge, operator.ge),
        (">", expected.gt, operator.gt),
        ("<=", expected.le, operator.le),
        ("<", expected.lt, operator.lt),
    )
    stated = [
        (f"{sign} {bound}", holds(value, bound))
        for sign, bound, holds in bounds
        if bound is not None
    ]
    if all(held for _, held in stated):
        return ""
    return "a value " + " and ".join(words for words, _ in stated)


def _length_missed(expected: _Sized, length: int, unit: str) -> str:
    least, most = expected.min_length or 0, expected.max_length
    if least <= length and (most is None or length <= most):
        return ""
    if most is None:
        return f"at least {least} {unit}{'s' if least > 1 else ''}"
    return (
        f"{least} to {most} {unit}s" if least < most else f"{most} {unit}{'s' if most > 1 else ''}"
    )


def as_toml(value: Any) -> str:
    """Return a value as TOML would write it, cut short."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 60 else text[:57] + "..."

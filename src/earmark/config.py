"""Strict recipes: TOML in, frozen structs out, and an error that says what to write instead.

A recipe is a TOML file with one table a stage. Each table is the `Config` of the component that
it builds. Nothing is guessed: an unknown key, a wrong type or an unset variable is a `ConfigError`
that names the key, the place and the nearest valid name.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect


class ConfigError(ValueError):
    """A recipe, an override or a path that the user can mend. The CLI exits with 2 on it."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every component's settings: frozen, keyword-only, without unknown keys.

    A family of components is a tagged union: give each member `tag="name", tag_field="kind"`.
    """


C = TypeVar("C", bound=Config)


def decode(data: Mapping[str, Any], into: type[C], *, where: str = "recipe") -> C:
    """Build `into` from plain data.

    Raises:
        ConfigError: a key is unknown, missing or of the wrong type; the message names it.
    """
    _reject_unknown(inspect.type_info(into), data, at="", where=where)
    try:
        return msgspec.convert(data, into)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), data, where)) from None


def load_toml(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a TOML file, apply `key.sub=value` overrides, and expand `$VARIABLES` in its strings.

    Raises:
        ConfigError: no such file, broken TOML, a malformed override or an unset variable.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no recipe at {path}.{_similar_files(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a recipe: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    return expand_variables(apply_overrides(data, overrides))


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return `data` with each `a.b=value` set; values are TOML, bare words count as strings."""
    result: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(data))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"override {override!r} should look like table.key=value")
        *tables, last = key.strip().split(".")
        table = result
        for name in tables:
            inner = table.setdefault(name, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"override {override!r}: {name!r} is a value, not a table")
            table = inner  # pyright: ignore[reportUnknownVariableType]
        if last == "kind" and table.get("kind") != text:
            table.clear()  # settings of one kind mean nothing to another
        table[last] = _toml_value(text)
    return result


def expand_variables(data: Any, at: str = "") -> Any:
    """Replace `$NAME` and `${NAME}` in every string by the environment's value, `~` by home.

    Raises:
        ConfigError: a variable is not set.
    """
    if isinstance(data, dict):
        return {key: expand_variables(value, f"{at}{key}.") for key, value in data.items()}
    if isinstance(data, list):
        return [expand_variables(value, at) for value in data]
    if not isinstance(data, str):
        return data
    if missing := [name for name in re.findall(r"\$\{?(\w+)\}?", data) if name not in os.environ]:
        key = at.rstrip(".")
        raise ConfigError(
            f"{key}: the environment variable {missing[0]} is not set. "
            f"Set it (export {missing[0]}=...) or override the value ({key}=...)."
        )
    return os.path.expanduser(os.path.expandvars(data))


def to_plain(value: Any) -> Any:
    """Return a config as TOML-ready data: dicts, lists and scalars, without unset (None) fields."""
    plain = msgspec.to_builtins(value)
    return _without_none(plain)


def fingerprint(*parts: Any) -> str:
    """Return 12 hex digits of SHA-256 over the canonical JSON of `parts`."""
    encoded = msgspec.json.encode(msgspec.to_builtins(parts), order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:12]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" for the nearest of `known`, else the list of what is valid."""
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return f" Did you mean {close[0]!r}?"
    return f" Valid here: {', '.join(names)}." if names else ""


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_none(inner) for inner in value]
    return value


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _similar_files(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f" The folder {folder} does not exist either."
    recipes = [file.name for file in folder.glob("*.toml")]
    return nearest(path.name, recipes) if recipes else f" There are no .toml files in {folder}."


def _reject_unknown(expected: inspect.Type, data: Any, *, at: str, where: str) -> None:
    if isinstance(expected, inspect.UnionType) and isinstance(data, dict):
        expected = _member(expected, data, at=at, where=where)
    if isinstance(expected, inspect.StructType) and isinstance(data, dict):
        fields = {field.encode_name: field.type for field in expected.fields}
        valid = [*fields, *([expected.tag_field] if expected.tag_field else [])]
        for key, value in data.items():
            if key not in valid:
                spot = f"[{at.rstrip('.')}]" if at else "the top level"
                raise ConfigError(f"{where}: unknown key {key!r} in {spot}.{nearest(key, valid)}")
            if key in fields:
                _reject_unknown(fields[key], value, at=f"{at}{key}.", where=where)
    if isinstance(expected, inspect.ListType | inspect.VarTupleType) and isinstance(data, list):
        for index, item in enumerate(data):
            _reject_unknown(expected.item_type, item, at=f"{at}{index}.", where=where)


def _member(union: inspect.UnionType, data: Mapping[str, Any], *, at: str, where: str) -> Any:
    """Pick the member of a tagged union that `data` names; a plain optional has just one."""
    structs = [kind for kind in union.types if isinstance(kind, inspect.StructType)]
    tagged = {str(kind.tag): kind for kind in structs if kind.tag_field}
    if not tagged:
        return structs[0] if structs else union
    table = at.rstrip(".")
    kind = data.get("kind")
    if kind is None:
        raise ConfigError(f"{where}: [{table}] needs a kind, one of {', '.join(sorted(tagged))}.")
    if kind not in tagged:
        known = nearest(str(kind), tagged)
        raise ConfigError(f"{where}: {table}.kind = {kind!r} does not exist.{known}")
    return tagged[kind]


def _explain(message: str, data: Mapping[str, Any], where: str) -> str:
    """Turn msgspec's "Expected `int`, got `str` - at `$.a.b`" into words with the key and value."""
    reason, _, path = message.partition(" - at `$.")
    key = path.rstrip("`")
    if not key:
        return f"{where}: {reason}"
    given: Any = data
    for name in _steps(key):
        try:
            given = given[name]
        except (KeyError, IndexError, TypeError):
            return f"{where}: {key}: {reason}"
    shown = f" ({given!r} was given)" if not isinstance(given, dict) else ""
    return f"{where}: {key}: {reason}{shown}"


def _steps(key: str) -> Iterator[str | int]:
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key):
        yield name or int(index)

"""Strict recipes: TOML in, frozen structs out, and an error that says what to write instead.

A recipe is a TOML file with one table a stage. Each table is the `Config` of the component that it
builds. Nothing is guessed: an unknown key, a wrong type or an unset variable is a `ConfigError`
that names the key, the place and the nearest valid name. `import_target` loads a class that is
written elsewhere, given as "module:Class".
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import importlib.util
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, inspect

from earmark.bounds import as_toml, field_types, out_of_bounds

PositiveInt = Annotated[int, Meta(ge=1)]

NonNegativeInt = Annotated[int, Meta(ge=0)]

PositiveFloat = Annotated[float, Meta(gt=0)]

NonNegativeFloat = Annotated[float, Meta(ge=0)]

Share = Annotated[float, Meta(ge=0, le=1)]

Name = Annotated[str, Meta(min_length=1)]

Device = Annotated[
    str,
    Meta(pattern=r"^([a-z]+(:[0-9]+)?)?$", description='"auto", "cpu", "cuda", "cuda:1" or "mps"'),
]
"""A device of torch by its name; of a pattern, the description says what is expected."""


class ConfigError(ValueError):
    """A recipe, an override or a path that the user can mend. The CLI exits with 2 on it."""


class Package(NamedTuple):
    """A package beyond the base install.

    Args:
        name: as it is imported.
        extra: of earmark, which brings it.
        setting: what needs it, as "key = value"; the `kind` of the config where it is empty.
        command: that is needed beside the extra.
    """

    name: str
    extra: str
    setting: str = ""
    command: str = ""

    @property
    def install(self) -> str:
        """The commands that install it."""
        return " && ".join(filter(None, (f"pip install 'earmark[{self.extra}]'", self.command)))


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every component's settings: frozen, keyword-only, without unknown keys.

    A family of components is a tagged union: give each member `tag="name", tag_field="kind"`.

    Bounds of a single value are stated by `msgspec.Meta` on its field, relations between fields by
    `check`. Both hold however a config is made: from a recipe, or in Python. No number is NaN or
    infinite.

    Attributes:
        renamed: former name of a field to its name today; the error of a recipe names the latter.
        renamed_values: the same of a field's values, by the field's name.
        former_kind: of a member of a tagged union, the kind that it was called before.
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({})
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = MappingProxyType({})
    former_kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Refuse values out of bounds. Raises ConfigError."""
        for name, kind in field_types(type(self)):
            if problem := out_of_bounds(kind, getattr(self, name), name):
                raise ConfigError(problem)
        self.check()

    def check(self) -> None:
        """Refuse settings that contradict each other; a message begins with the field's name.

        Raises:
            ConfigError: naming the field, its value, and what to write instead.
        """

    @property
    def packages(self) -> tuple[Package, ...]:
        """The packages beyond the base install that these settings need, but for nested ones'."""
        return ()


C = TypeVar("C", bound=Config)

_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")

_MAX_LISTED = 20  # names that an error message lists at most

_SCALARS: dict[type, tuple[str, tuple[type, ...]]] = {
    inspect.StrType: ("text in quotes", (str,)),
    inspect.IntType: ("a whole number", (int,)),
    inspect.FloatType: ("a number", (int, float)),
    inspect.BoolType: ("true or false", (bool,)),
}


def decode_config(data: Mapping[str, Any], into: type[C], *, where: str = "recipe") -> C:
    """Build `into` from plain data; a table that names no kind is of its default's kind.

    Raises:
        ConfigError: a key is unknown, missing, of the wrong type or out of bounds, or settings
            contradict each other; the message names the key.
    """
    expected = inspect.type_info(into)
    data = _fill_default_kinds(expected, data)
    _check_value(expected, data, "", where)
    return msgspec.convert(data, into)


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
    """Return `data` with each `a.b=value` set; values are TOML, bare words count as strings.

    A new `kind` empties its table, whose settings meant another kind; it is set before all else,
    so that the order of the overrides does not matter.

    Raises:
        ConfigError: an override that is not of this form, or that leads into a value or a list.
    """
    result = copy.deepcopy(data)
    split = [_split_override(override) for override in overrides]
    for override, names, value in sorted(split, key=lambda parts: parts[1][-1] != "kind"):
        *tables, last = names
        table = result
        for name in tables:
            inner = table.setdefault(name, {})
            if not isinstance(inner, dict):
                what = "a list; override it whole" if isinstance(inner, list) else "not a table"
                raise ConfigError(f"override {override!r}: {name!r} is {what}")
            table = inner  # pyright: ignore[reportUnknownVariableType]
        if last == "kind" and table.get("kind") != value:
            table.clear()
        table[last] = value
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
    if missing := [name for name in _VARIABLE.findall(data) if name not in os.environ]:
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


def missing_packages(config: Config, where: str = "") -> list[tuple[str, Package]]:
    """Return the packages that a config, or one nested in it, needs and that are not installed.

    Each comes with the setting that needs it; `where` is the config's own place in a recipe.
    """
    missing = list[tuple[str, Package]]()
    for at, each in _nested(config, where):
        kind = type(each).__struct_config__.tag
        for package in each.packages:
            if importlib.util.find_spec(package.name) is None:
                setting = package.setting or (f'kind = "{kind}"' if kind else "")
                missing.append((f"{at}.{setting}" if at and setting else at or setting, package))
    return missing


def check_packages(config: Config, where: str = "") -> None:
    """Check that every package that a config needs is installed; nothing is imported.

    Raises:
        ConfigError: one is not; the message names it, the setting that needs it, and the command
            that installs it.
    """
    for setting, package in missing_packages(config, where):
        raise ConfigError(
            f"{setting} needs the package {package.name}, which is not installed: {package.install}"
        )


def suggest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" for the nearest of `known`, else the list of what is valid."""
    names = sorted(name or '""' for name in known)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return f" Did you mean {close[0]!r}?"
    more = f", and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f" Valid here: {', '.join(names[:_MAX_LISTED])}{more}." if names else ""


def _suggest_choice(given: str, known: Sequence[str]) -> str:
    """Return the nearest of `known`, where one is near, and all of them."""
    guess = suggest(given, known)
    every = suggest("", known)
    return guess if guess == every else guess + every


def _nested(value: Any, at: str) -> Iterator[tuple[str, Config]]:
    """Yield every config in a value, itself first, with its place in a recipe."""
    if isinstance(value, Config):
        yield at, value
        inner = msgspec.structs.asdict(value)
    elif isinstance(value, dict):
        inner: dict[Any, Any] = value
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _nested(item, f"{at}[{index}]")
        return
    else:
        return
    for name, item in inner.items():
        yield from _nested(item, f"{at}.{name}" if at else str(name))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_none(inner) for inner in value]
    return value


def _split_override(override: str) -> tuple[str, list[str], Any]:
    key, equals, text = override.partition("=")
    names = [name.strip() for name in key.split(".")]
    if not equals or not all(names):
        raise ConfigError(f"override {override!r} should look like table.key=value")
    try:
        return override, names, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        if text.strip()[:1] in tuple("[{\"'"):
            raise ConfigError(f"override {override!r}: {text} is not valid TOML: {error}") from None
        return override, names, text


def _similar_files(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f" The folder {folder} does not exist either."
    recipes = [file.name for file in folder.glob("*.toml")]
    return suggest(path.name, recipes) if recipes else f" There are no .toml files in {folder}."


def _fill_default_kinds(expected: inspect.Type, data: Any) -> Any:
    """Return `data` with the kind of each table that leaves it out and has a default."""
    if not isinstance(expected, inspect.StructType) or not isinstance(data, dict):
        return data
    filled = dict[str, Any](data)
    for field in expected.fields:
        inner, default = filled.get(field.encode_name), field.default
        if not isinstance(inner, dict) or not isinstance(default, Config):
            continue
        own = inspect.type_info(type(default))
        assert isinstance(own, inspect.StructType)
        if own.tag_field and isinstance(field.type, inspect.UnionType):
            inner = {own.tag_field: own.tag} | inner
        same = not own.tag_field or inner[own.tag_field] == own.tag
        filled[field.encode_name] = _fill_default_kinds(own, inner) if same else inner
    return filled


def _check_value(expected: inspect.Type, data: Any, at: str, where: str) -> None:
    """Raise a ConfigError for the first key, kind or type in `data` that cannot be right.

    `at` is where `data` stands in the recipe.
    """
    if isinstance(expected, inspect.Metadata):
        _check_value(expected.type, data, at, where)
    elif isinstance(expected, inspect.UnionType):
        if data is not None or not expected.includes_none:
            _check_union(expected, data, at, where)
    elif isinstance(expected, inspect.StructType):
        _check_struct(expected, data, at, where)
    elif isinstance(expected, inspect.DictType):
        for key, value in _table_items(data, at, where):
            _check_value(expected.key_type, key, f"{at}: the key", where)
            _check_value(expected.value_type, value, f"{at}.{key}", where)
    elif isinstance(expected, inspect.ListType | inspect.VarTupleType):
        if not isinstance(data, list):
            raise _mismatch("a list in [ ]", data, at, where)
        for index, item in enumerate(data):
            _check_value(expected.item_type, item, f"{at}[{index}]", where)
    elif isinstance(expected, inspect.TupleType):
        count = len(expected.item_types)
        if not isinstance(data, list) or len(data) != count:
            raise _mismatch(f"a list of {count} in [ ]", data, at, where)
        for index, (kind, item) in enumerate(zip(expected.item_types, data, strict=True)):
            _check_value(kind, item, f"{at}[{index}]", where)
    elif isinstance(expected, inspect.LiteralType):
        if data not in expected.values:
            told = f"{where}: {at} = {as_toml(data)} is not a choice."
            raise ConfigError(
                told + _suggest_choice(str(data), [str(each) for each in expected.values])
            )
    elif type(expected) in _SCALARS:
        words, types = _SCALARS[type(expected)]
        if not isinstance(data, types) or (isinstance(data, bool) and bool not in types):
            raise _mismatch(words, data, at, where)


def _check_struct(expected: inspect.StructType, data: Any, at: str, where: str) -> None:
    items = _table_items(data, at, where)
    fields = {field.encode_name: field for field in expected.fields}
    valid = [*fields, *([expected.tag_field] if expected.tag_field else [])]
    spot = at if at.endswith("]") else f"[{at}]" if at else "the top level"
    former = _config_class(expected)
    for key, value in items:
        if key not in valid:
            if new := former.renamed.get(key):
                raise ConfigError(f"{where}: {key!r} in {spot} is now {new!r}.")
            raise ConfigError(f"{where}: unknown key {key!r} in {spot}.{suggest(key, valid)}")
        if key in fields:
            place = f"{at}.{key}" if at else key
            _check_renamed(former.renamed_values.get(key, {}), value, place, where)
            _check_value(fields[key].type, value, place, where)
            if problem := out_of_bounds(fields[key].type, value, place):
                raise ConfigError(f"{where}: {problem}")
    if missing := [name for name, field in fields.items() if field.required and name not in data]:
        raise ConfigError(f"{where}: {spot} needs {missing[0]!r}, which has no default.")
    try:
        msgspec.convert(data, expected.cls)
    except msgspec.ValidationError as error:
        told = str(error)
        joint = "." if re.split(r"\W", told)[0] in fields else ": "
        raise ConfigError(f"{where}: {at}{joint if at else ''}{told}") from None


def _config_class(expected: inspect.StructType) -> type[Config]:
    """Return the class of a config; that of another struct, which renames nothing, is `Config`."""
    return expected.cls if issubclass(expected.cls, Config) else Config


def _check_renamed(renamed: Mapping[str, str], value: Any, at: str, where: str) -> None:
    """Raise a ConfigError for a value, or the first of a list, that is called otherwise today."""
    values: Iterable[Any] = value if isinstance(value, list) else [value]
    for each in values:
        if isinstance(each, str) and each and (new := renamed.get(each)):
            raise ConfigError(f"{where}: {at} = {as_toml(each)} is now {as_toml(new)}.")


def _check_union(expected: inspect.UnionType, data: Any, at: str, where: str) -> None:
    """Check against the member of a tagged union that `data` names, or the one type there is."""
    members = [kind for kind in expected.types if not isinstance(kind, inspect.NoneType)]
    tagged = {str(m.tag): m for m in members if isinstance(m, inspect.StructType) and m.tag_field}
    if len(members) == 1:
        _check_value(members[0], data, at, where)
    elif not tagged:
        _check_untagged(members, data, at, where)
    else:
        kind = dict(_table_items(data, at, where)).get("kind")
        if kind is None:
            raise ConfigError(f"{where}: [{at}] needs a kind, one of {', '.join(sorted(tagged))}.")
        if kind not in tagged:
            former = {_config_class(member).former_kind: new for new, member in tagged.items()}
            _check_renamed(former, kind, f"{at}.kind", where)
            known = suggest(str(kind), tagged)
            raise ConfigError(f"{where}: {at}.kind = {as_toml(kind)} does not exist.{known}")
        _check_value(tagged[kind], data, at, where)


def _check_untagged(members: Sequence[inspect.Type], data: Any, at: str, where: str) -> None:
    """Check against whichever member fits; where none does, that of `data`'s own sort says why."""
    errors = list[tuple[bool, ConfigError]]()
    for member in members:
        try:
            return _check_value(member, data, at, where)
        except ConfigError as error:
            errors.append((_type_category(member) == _type_category(data), error))
    raise max(errors, key=lambda pair: pair[0])[1]


def _type_category(thing: Any) -> str:
    """Return "words", "list" or "other" of a type that is expected, or of a value."""
    if isinstance(thing, inspect.LiteralType | inspect.StrType | str):
        return "words"
    is_list = isinstance(thing, inspect.ListType | inspect.VarTupleType | list)
    return "list" if is_list else "other"


def _table_items(data: Any, at: str, where: str) -> list[tuple[str, Any]]:
    if not isinstance(data, dict):
        raise _mismatch("a table", data, at, where)
    return list(data.items())  # pyright: ignore[reportUnknownArgumentType]


def _mismatch(words: str, data: Any, at: str, where: str) -> ConfigError:
    return ConfigError(f"{where}: {at} = {as_toml(data)}: {words} was expected.")


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
        raise ConfigError(f"target = {target!r}: {module} has no {name}.{suggest(name, classes)}")
    if not (isinstance(value, type) and issubclass(value, base)):
        raise ConfigError(
            f"target = {target!r} should be a class derived from "
            f"{base.__module__}.{base.__qualname__}; it is {value!r}."
        )
    return value

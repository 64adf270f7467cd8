"""The datasets that earmark knows by name: tasks.toml, read strictly."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta

from earmark.config import Config, ConfigError, decode, nearest
from earmark.evaluate.datasets.layout import Layout, Text


class Published(Config, frozen=True, kw_only=True):
    """A figure to expect.

    Args:
        encoder: what was measured.
        value: of the task's metric, 0 to 1.
        how: the protocol.
        source: who published it.
    """

    encoder: Text
    value: Annotated[float, Meta(ge=0, le=1)]
    how: Text
    source: Text


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

    title: Text
    revision: Text
    domain: Literal["speech", "music", "environment", "everything"]
    licence: Text
    home: Text
    get: Text
    folder: str = ""
    label: Text
    splits: Text
    metric: Literal["accuracy", "macro-accuracy", "map"]
    chance: Text
    clips: Annotated[int, Meta(ge=0)] = 0
    classes: Annotated[int, Meta(ge=0)] = 0
    published: tuple[Published, ...] = ()
    layout: Layout

    def __post_init__(self) -> None:
        """Refuse what contradicts itself. Raises ConfigError."""
        if self.metric != "map" and (self.layout.several or self.layout.flags):
            raise ConfigError(f"{self.title}: {self.metric} wants one label a clip.")


@lru_cache(maxsize=1)
def datasets() -> Mapping[str, Dataset]:
    """Return every dataset that is known, by name, in the order of tasks.toml."""
    text = resources.files(__package__ or "").joinpath("tasks.toml").read_text("utf-8")
    read = {
        name: decode(entry, Dataset, where=f"tasks.toml, {name}")
        for name, entry in tomllib.loads(text).items()
    }
    return MappingProxyType(read)


def dataset_named(name: str) -> Dataset:
    """Return a dataset. Raises ConfigError: there is none of this name."""
    known = datasets()
    if name not in known:
        raise ConfigError(
            f"there is no dataset {name!r}.{nearest(name, known)} `earmark tasks` lists them; any "
            "other is asked as a table (table = ...)."
        )
    return known[name]


def folder_of(name: str) -> str:
    """Return the name of the folder that a copy of a dataset lies in."""
    return dataset_named(name).folder or name

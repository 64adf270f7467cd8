"""The datasets that earmark knows by name: tasks.toml, read strictly."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

from earmark.config import Config, ConfigError, Name, NonNegativeInt, Share, decode, nearest
from earmark.evaluate.datasets.registry import Layout


class Published(Config, frozen=True, kw_only=True):
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
    published: tuple[Published, ...] = ()
    layout: Layout

    def check(self) -> None:
        """Refuse what contradicts itself. Raises ConfigError."""
        if self.metric != "map" and (self.layout.several or self.layout.flags):
            raise ConfigError(f"metric = {self.metric!r} of {self.title} wants one label a clip.")


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
            f"there is no dataset {name!r}.{nearest(name, known)} `earmark datasets` lists them; "
            "any other is given as a table (table = ...)."
        )
    return known[name]


def folder_of(name: str) -> str:
    """Return the name of the folder that a copy of a dataset lies in."""
    return dataset_named(name).folder or name

"""The contract of a stage: its inputs, the settings that determine its result, and its work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from earmark.annotate.backends.base import Backend
from earmark.annotate.backends.chat import TAG_INSTRUCTION, TAG_SCHEMA, ChatConfig
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.registry import TaggerConfig
from earmark.annotate.backends.vllm import VllmConfig
from earmark.annotate.jobs.estimate import JobEstimate, estimate_job
from earmark.annotate.jobs.job import BackendConfig, Job
from earmark.annotate.jobs.run import run_job
from earmark.config import check_packages
from earmark.recipe import Recipe
from earmark.records import Clip, Labels
from earmark.tables import stream_parquet

CANARY_PATIENCE_S = 120.0
"""How long a canary waits for a server that is down."""

Counts = Mapping[str, int]
"""Rows by outcome: "in", "out" and one entry for each reason of a rejection."""

Folders = Mapping[str, Path]
"""Where each input of a stage lies, by the name of the stage that wrote it."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process among `size` that a launcher started to share one stage."""

    rank: int = 0
    size: int = 1
    launcher: str = ""


class BackendCache:
    """Backends that were built to read their fingerprint or to check them, by their settings."""

    def __init__(self) -> None:
        self._built: list[tuple[BackendConfig, Backend]] = []

    def get(self, config: BackendConfig) -> Backend:
        """Return the backend of these settings; it is built at the first call."""
        for known, backend in self._built:
            if known == config:
                return backend
        backend = config.build()
        self._built.append((config, backend))
        return backend

    def take(self, config: BackendConfig) -> Backend:
        """Return the backend for use: whoever takes it closes it, and it is not given again."""
        backend = self.get(config)
        self._built = [pair for pair in self._built if pair[1] is not backend]
        return backend


class Stage(ABC):
    """One stage of a recipe.

    Attributes:
        name: of the stage and of its folder.
        inputs: the stages that it reads.
        limits_rejections: whether its rows are clips, of which the recipe limits how many may be
            rejected.
        on_demand: whether it runs only where it is asked for by name; no other stage reads it.
        canary_for: the stage whose backend it tries; skipped where that is done, or on request.
        lists_corpus: whether it lists files, so that a resumed run may keep the earlier listing.
        labels_from: the stage whose clips `check_clips` wants to see.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = ()
    limits_rejections: ClassVar[bool] = True
    on_demand: ClassVar[bool] = False
    canary_for: ClassVar[str] = ""
    lists_corpus: ClassVar[bool] = False
    labels_from: ClassVar[str] = ""

    def __init__(self, recipe: Recipe, backends: BackendCache) -> None:
        self.recipe = recipe
        self.backends = backends

    @abstractmethod
    def settings(self) -> Any:
        """Return all of the recipe that can change the result; the fingerprint covers it."""

    @abstractmethod
    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Do the work and return its counts; a killed run may be called again on its folder."""

    def provenance_settings(self) -> Any:
        """Return the settings that provenance.json shows; None for those of `settings`."""
        return None

    def is_enabled(self) -> bool:
        """Return whether the recipe has this stage."""
        return True

    def check(self) -> None:  # noqa: B027 - a hook: most stages need nothing
        """Raise a ConfigError for what is missing, before the first stage runs."""

    def check_clips(self, clips: Path) -> None:  # noqa: B027
        """Raise a ConfigError for what no clip has, before hours go into captions.

        Args:
            clips: the folder of the stage `labels_from`.
        """

    def process_group(self) -> ProcessGroup:
        """Return which of the processes that share this stage this one is."""
        return ProcessGroup()


class BackendStage(Stage):
    """A stage that asks a backend about each row: a job, of which shards can run elsewhere.

    Attributes:
        table: the backend's table in a recipe.
    """

    table: ClassVar[str]

    @property
    @abstractmethod
    def config(self) -> BackendConfig:
        """The backend's settings."""

    @abstractmethod
    def job(self, inputs: Folders, folder: Path) -> Job:
        """Return the prompts, and which answers are turned down."""

    def provenance_settings(self) -> Any:
        """Return the backend's settings."""
        return self.config

    def check(self) -> None:
        """Check packages, keys and files of the backend."""
        check_packages(self.recipe.execute, "execute")
        check_packages(self.config, self.table)  # pyright: ignore[reportArgumentType]
        self.backends.get(self.config)

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Ask the backend about each row."""
        backend = self.backends.take(self.config)
        return run_job(self.job(inputs, folder), self.recipe.execute, backend)

    def estimate(self, inputs: Folders, folder: Path) -> JobEstimate:
        """Try a few prompts and estimate the time and cost of the whole job."""
        return estimate_job(self.job(inputs, folder))


def backend_fingerprint(config: BackendConfig, backends: BackendCache) -> str:
    """Return a backend's fingerprint; what is served is not built for that, and needs no key."""
    if isinstance(config, EndpointConfig | VllmConfig):
        return config.fingerprint
    return backends.get(config).fingerprint


def tagger_settings(config: TaggerConfig, backends: BackendCache) -> Any:
    """Return a tagger's fingerprint, and the prompt that every chat model gets beside its own."""
    prompt = (TAG_INSTRUCTION, TAG_SCHEMA) if isinstance(config, ChatConfig) else None
    return backend_fingerprint(config, backends), prompt


def needs_canary(config: BackendConfig, backends: BackendCache) -> bool:
    """Return whether a backend's answers are tried on known sounds or captions first."""
    return isinstance(config, ChatConfig) or backends.get(config).needs_canary


def build_canary(config: BackendConfig) -> Backend:
    """Return a backend for the canary: it soon gives up on a server that is down."""
    if isinstance(config, EndpointConfig):
        config = replace(config, patience_s=min(config.patience_s, CANARY_PATIENCE_S))
    return config.build()


def label_sets(clips: Path) -> list[Labels]:
    """Return each set of labels that occurs, once: ten million clips have few.

    Args:
        clips: the folder of the scan.
    """
    rows = stream_parquet(clips / "clips.parquet", Clip)
    return list({msgspec.json.encode(clip.labels): clip.labels for clip in rows}.values())

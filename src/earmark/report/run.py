"""The run that a report shows: its finished stages, the next one, and how each was made.

A stage without its done mark is still being written, so only its name is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from earmark.config import to_plain
from earmark.records import Row
from earmark.tables import read_parquet
from earmark.workspace import StageFolder, Workspace

STAGE_PURPOSES = {
    "corpus": "list the files that there are",
    "scan": "listen to every file: content hash, duration, level",
    "caption-canary": "try the captioner on known sounds",
    "caption-raw": "ask for a description of each clip",
    "caption": "check each description and find its summary",
    "tag-canary": "try the tagger on two captions",
    "tag-raw": "ask for the tags of each caption",
    "tag": "read the tags from each answer",
    "vocabulary": "choose the tags to learn and lock them",
    "audit": "hold tags and vocabulary against people's labels",
    "manifest": "join clips, captions and tags, and split them",
    "pretrain": "train an encoder under the recipe's objective",
    "evaluate": "probe the encoder against random weights and log-mel statistics",
}
"""Every stage in order, and what it is for."""

OPTIONAL_STAGES = frozenset({"caption-canary", "tag-canary", "audit"})
"""Stages that not every run has: trials of models that nobody here built, and what is asked for."""

R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class RunData:
    """The stages of one run.

    `stages` holds those that are done, by name, in the order of `STAGE_PURPOSES`; `next_stage` is
    the first that is not, or None where the whole way has been gone.
    """

    root: Path
    recipe: dict[str, Any]
    stages: Mapping[str, StageFolder]
    next_stage: str | None
    _read: dict[Path, Any] = field(default_factory=dict[Path, Any], repr=False)

    def __contains__(self, name: str) -> bool:
        return name in self.stages

    def file(self, stage: str, name: str) -> Path | None:
        """Return the path of a finished stage's file, or None where there is no such file."""
        if stage not in self.stages:
            return None
        path = self.stages[stage].file(name)
        return path if path.exists() else None

    def rows(self, stage: str, name: str, kind: type[R]) -> list[R]:
        """Return the rows of a finished stage's table; none where there is no such table.

        A table is read once, however many parts of the page want it.
        """
        path = self.file(stage, name)
        if path is None:
            return []
        if path not in self._read:
            self._read[path] = read_parquet(path, kind)
        return self._read[path]

    def provenance(self, stage: str) -> dict[str, Any]:
        """Return what a finished stage recorded of itself."""
        return self.stages[stage].provenance()


def load_run(workspace: Workspace) -> RunData:
    """Return what the latest run of `workspace` has finished.

    Raises:
        ConfigError: nothing has been run here.
    """
    recipe, stages = workspace.latest_run()
    done = {name: stages[name] for name in STAGE_PURPOSES if name in stages and stages[name].done}
    left = [name for name in STAGE_PURPOSES if name not in done and name not in OPTIONAL_STAGES]
    return RunData(workspace.root, recipe, done, left[0] if left else None)


@dataclass(frozen=True)
class StageRecord:
    """One finished stage; `inputs` are the fingerprints of what it read, by stage."""

    name: str
    fingerprint: str
    duration_s: float | None
    finished: str
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class RunProvenance:
    """The stages, the versions (those of the last stage) and the resolved recipe as TOML.

    `changed` names libraries that were of another version in an earlier stage.
    """

    stages: tuple[StageRecord, ...]
    versions: Mapping[str, str]
    changed: tuple[str, ...]
    recipe: str


def read_provenance(found: RunData) -> RunProvenance:
    """Gather the provenance of the finished stages."""
    import tomli_w

    records = {name: found.provenance(name) for name in found.stages}
    every = [dict[str, str](record["versions"]) for record in records.values()]
    last = every[-1] if every else {}
    changed = {name for versions in every for name in last if versions.get(name) != last[name]}
    return RunProvenance(
        stages=tuple(_stage_record(record) for record in records.values()),
        versions=last,
        changed=tuple(sorted(changed)),
        recipe=tomli_w.dumps(to_plain(found.recipe)),
    )


def _stage_record(record: dict[str, Any]) -> StageRecord:
    return StageRecord(
        name=record["stage"],
        fingerprint=record["fingerprint"],
        duration_s=record.get("duration_s"),
        finished=record["finished"],
        inputs=record["inputs"],
    )

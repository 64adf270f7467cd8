"""How a report came to be: stages with their time and inputs, versions, and the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earmark.config import to_plain
from earmark.report.run import Finished


@dataclass(frozen=True)
class Made:
    """One finished stage; `inputs` are the fingerprints of what it read, by stage."""

    name: str
    fingerprint: str
    duration_s: float | None
    finished: str
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Making:
    """The stages, the versions (those of the last stage) and the resolved recipe as TOML.

    `changed` names libraries that were of another version in an earlier stage.
    """

    stages: tuple[Made, ...]
    versions: Mapping[str, str]
    changed: tuple[str, ...]
    recipe: str


def read_making(found: Finished) -> Making:
    """Gather the provenance of the finished stages."""
    import tomli_w

    records = {name: found.provenance(name) for name in found.stages}
    every = [dict[str, str](record["versions"]) for record in records.values()]
    last = every[-1] if every else {}
    changed = {name for versions in every for name in last if versions.get(name) != last[name]}
    return Making(
        stages=tuple(_made(record) for record in records.values()),
        versions=last,
        changed=tuple(sorted(changed)),
        recipe=tomli_w.dumps(to_plain(found.recipe)),
    )


def _made(record: dict[str, Any]) -> Made:
    return Made(
        name=record["stage"],
        fingerprint=record["fingerprint"],
        duration_s=record.get("duration_s"),
        finished=record["finished"],
        inputs=record["inputs"],
    )

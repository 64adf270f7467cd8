"""What else was asked of the encoders than linear probes on all clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from earmark.evaluate.base import OK
from earmark.records import Score
from earmark.report.formatting import probe_name, probe_place, split_direction
from earmark.report.probes import ENCODERS
from earmark.report.run import Finished

CLASSIFYING = frozenset({"linear", "nearest", "attention"})
"""Probes of the same classification tasks that the headline has."""


@dataclass(frozen=True)
class Entry:
    """An encoder's score on one measure."""

    score: Score

    @property
    def measured(self) -> bool:
        """Return whether there is a value."""
        return self.score.status == OK


@dataclass(frozen=True)
class Line:
    """One measure of all encoders: `entries` are in the order of the table, None where missing."""

    probe: str
    direction: str
    measure: str
    metric: str
    chance: float
    test: int
    lower_is_better: bool
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True)
class Asked:
    """A task and what was measured on it, by probe and direction."""

    task: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Others:
    """Tables of further probes of the classification tasks, and of tasks on texts."""

    encoders: tuple[str, ...]
    classification: tuple[Asked, ...]
    language: tuple[Asked, ...]


def read_others(found: Finished) -> Others | None:
    """Return what else was asked, or None where nothing was."""
    scores = [
        score
        for score in found.rows("evaluate", "scores.parquet", Score)
        if score.shots == 0 and score.probe != "linear"
    ]
    if not scores:
        return None
    present = dict.fromkeys(score.encoder for score in scores)
    encoders = (*(n for n in ENCODERS if n in present), *(n for n in present if n not in ENCODERS))
    classifying = [score for score in scores if score.probe in CLASSIFYING]
    language = [score for score in scores if score.probe not in CLASSIFYING]
    return Others(encoders, tabled(classifying, encoders), tabled(language, encoders))


def tabled(scores: Sequence[Score], encoders: Sequence[str]) -> tuple[Asked, ...]:
    """Return scores by task; within one, by probe, then direction, then as they were found."""
    by_task = dict[str, dict[tuple[str, str], dict[str, Entry]]]()
    for score in scores:
        entries = by_task.setdefault(score.task, {}).setdefault((score.probe, score.metric), {})
        entries[score.encoder] = Entry(score)
    return tuple(
        Asked(
            task,
            tuple(_line(measure, measures[measure], encoders) for measure in _ordered(measures)),
        )
        for task, measures in by_task.items()
    )


def _ordered(measures: Mapping[tuple[str, str], object]) -> list[tuple[str, str]]:
    return sorted(measures, key=lambda pair: (probe_place(pair[0]), split_direction(pair[1])[0]))


def _line(measure: tuple[str, str], entries: Mapping[str, Entry], encoders: Sequence[str]) -> Line:
    probe, metric = measure
    direction, name = split_direction(metric)
    shown = next(
        (e.score for e in entries.values() if e.measured), next(iter(entries.values())).score
    )
    return Line(
        probe_name(probe),
        direction,
        name,
        metric,
        shown.chance,
        shown.test,
        shown.lower_is_better,
        tuple(entries.get(encoder) for encoder in encoders),
    )

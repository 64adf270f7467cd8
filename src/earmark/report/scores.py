"""The scores of a run: linear probes with their verdicts, other probes and tasks, few shots,
leaks.

Linear probes on all clips say what pre-training bought, and whether the differences are real.
Leaks are test clips that were in the training data, and so were excluded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.evaluate.base import OK, Comparison
from earmark.evaluate.leakage.leak import KINDS, Leak
from earmark.records import Score
from earmark.report.formatting import probe_name, probe_place, split_direction
from earmark.report.run import Finished

if TYPE_CHECKING:
    pass


TRAINED = "trained"

ENCODERS = {TRAINED: "trained", "random": "random weights", "log-mel": "log-mel statistics"}
"""The encoders that are compared, in order, and what the page calls them."""


@dataclass(frozen=True)
class Probe:
    """The scores of one task, trained encoder first, and how much it is ahead of the others."""

    task: str
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def measured(self) -> tuple[Score, ...]:
        """Return the scores that have a value."""
        return tuple(score for score in self.scores if score.status == OK)

    @property
    def missing(self) -> tuple[Score, ...]:
        """Return the scores that have none; their status says why."""
        return tuple(score for score in self.scores if score.status != OK)

    def lead(self, baseline: str) -> Comparison | None:
        """Return by how much the trained encoder is ahead of `baseline`, if it was measured."""
        for row in self.comparisons:
            if row.better == TRAINED and row.than == baseline and row.status == OK:
                return row
        return None


@dataclass(frozen=True)
class Verdict:
    """Against `baseline`, the tasks that the trained encoder clearly wins, loses, or neither.

    Clear means that the 95 % interval of the paired difference does not hold zero.
    """

    baseline: str
    wins: tuple[str, ...]
    losses: tuple[str, ...]
    undecided: tuple[str, ...]

    @property
    def probes(self) -> int:
        """Return the number of tasks that both encoders have a score on."""
        return len(self.wins) + len(self.losses) + len(self.undecided)


def read_probes(found: Finished) -> tuple[Probe, ...]:
    """Return the scores of linear probes by task; none where the evaluate stage has not finished.

    They are fitted on all clips: few-shot scores, other probes and tasks on texts stand elsewhere.
    """
    every = found.rows("evaluate", "comparisons.parquet", Comparison)
    comparisons = [row for row in every if row.probe == "linear" and row.shots == 0]
    by_task = dict[str, list[Score]]()
    for score in found.rows("evaluate", "scores.parquet", Score):
        if score.probe == "linear" and score.shots == 0:
            by_task.setdefault(score.task, []).append(score)
    return tuple(
        Probe(task, tuple(sorted(scores, key=_order)), tuple(_of(task, comparisons)))
        for task, scores in by_task.items()
    )


def judge(probes: Sequence[Probe], baseline: str) -> Verdict:
    """Count what the trained encoder wins and loses against `baseline`."""
    leads = {probe.task: lead for probe in probes if (lead := probe.lead(baseline))}
    wins = tuple(task for task, lead in leads.items() if lead.low > 0)
    losses = tuple(task for task, lead in leads.items() if lead.high < 0)
    undecided = tuple(task for task in leads if task not in wins and task not in losses)
    return Verdict(baseline, wins, losses, undecided)


def _of(task: str, comparisons: Sequence[Comparison]) -> list[Comparison]:
    return [row for row in comparisons if row.task == task]


def _order(score: Score) -> tuple[int, str, int]:
    names = list(ENCODERS)
    place = names.index(score.encoder) if score.encoder in names else len(names)
    return place, score.encoder, score.seed


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


@dataclass(frozen=True)
class Shots:
    """The few-shot scores of a task, by clips a class; `missing` tells (clips, encoder, why)."""

    task: str
    metric: str
    chance: float
    scores: tuple[Score, ...]
    missing: tuple[tuple[int, str, str], ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Return the clips a class, rising."""
        return tuple(sorted({score.shots for score in self.scores}))

    def of(self, encoder: str) -> tuple[Score, ...]:
        """Return an encoder's scores, rising in clips a class."""
        own = (score for score in self.scores if score.encoder == encoder)
        return tuple(sorted(own, key=lambda score: score.shots))

    def at(self, encoder: str, count: int) -> Score | None:
        """Return an encoder's score from `count` clips a class, None where it has none."""
        return next((score for score in self.of(encoder) if score.shots == count), None)


def read_shots(found: Finished) -> tuple[Shots, ...]:
    """Return the few-shot scores by task; none where none were asked for."""
    by_task = dict[tuple[str, str], list[Score]]()
    for score in found.rows("evaluate", "scores.parquet", Score):
        if score.shots and score.probe == "linear" and score.encoder in ENCODERS:
            by_task.setdefault((score.task, score.metric), []).append(score)
    return tuple(_shots(task, metric, scores) for (task, metric), scores in by_task.items())


def _shots(task: str, metric: str, scores: Sequence[Score]) -> Shots:
    measured = tuple(score for score in scores if score.status == OK)
    missing = tuple((s.shots, s.encoder, s.status) for s in scores if s.status != OK)
    return Shots(task, metric, scores[0].chance, measured, missing)


LISTED = 20

LEAKS = "leaks.parquet"

REASONS = {
    "id": "the same bytes",
    "fingerprint": "the same sound",
    "sentence": "a sentence of a caption",
}
"""What the clips share with one that was learnt from."""


@dataclass(frozen=True)
class Leaks:
    """How many test clips leaked, how many by each reason, and the first rows.

    A clip that leaked in several ways counts by the surest of them.
    """

    clips: int
    reasons: tuple[tuple[str, int], ...]
    listed: tuple[tuple[Leak, str], ...]
    rows: int


def read_leaks(found: Finished) -> Leaks | None:
    """Return the leaks, or None where the evaluate stage looked for none."""
    if found.file("evaluate", LEAKS) is None:
        return None
    return leaks_of(found.rows("evaluate", LEAKS, Leak))


def leaks_of(rows: Sequence[Leak]) -> Leaks:
    """Count leaks."""
    surest = dict[str, str]()
    for kind in reversed(KINDS):
        surest |= {leak.id: kind for leak in rows if leak.by == kind}
    counts = Counter(surest.values())
    reasons = tuple((REASONS[kind], counts[kind]) for kind in KINDS if counts[kind])
    listed = tuple((leak, REASONS[leak.by]) for leak in rows[:LISTED])
    return Leaks(len(surest), reasons, listed, len(rows))

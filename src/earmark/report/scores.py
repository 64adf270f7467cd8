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
from earmark.evaluate.leakage.leak import LEAK_KINDS, Leak
from earmark.records import Score
from earmark.report.formatting import probe_name, probe_order, split_direction
from earmark.report.run import RunData

if TYPE_CHECKING:
    pass


TRAINED = "trained"

ENCODER_NAMES = {TRAINED: "trained", "random": "random weights", "log-mel": "log-mel statistics"}
"""The encoders that are compared, in order, and what the page calls them."""


@dataclass(frozen=True)
class ProbeScores:
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
class ProbeVerdict:
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


def read_probe_scores(found: RunData) -> tuple[ProbeScores, ...]:
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
        ProbeScores(
            task, tuple(sorted(scores, key=_encoder_order)), tuple(_task_rows(task, comparisons))
        )
        for task, scores in by_task.items()
    )


def judge_probes(probes: Sequence[ProbeScores], baseline: str) -> ProbeVerdict:
    """Count what the trained encoder wins and loses against `baseline`."""
    leads = {probe.task: lead for probe in probes if (lead := probe.lead(baseline))}
    wins = tuple(task for task, lead in leads.items() if lead.low > 0)
    losses = tuple(task for task, lead in leads.items() if lead.high < 0)
    undecided = tuple(task for task in leads if task not in wins and task not in losses)
    return ProbeVerdict(baseline, wins, losses, undecided)


def _task_rows(task: str, comparisons: Sequence[Comparison]) -> list[Comparison]:
    return [row for row in comparisons if row.task == task]


def _encoder_order(score: Score) -> tuple[int, str, int]:
    names = list(ENCODER_NAMES)
    place = names.index(score.encoder) if score.encoder in names else len(names)
    return place, score.encoder, score.seed


CLASSIFICATION_PROBES = frozenset({"linear", "knn", "attentive"})
"""Probes of the same classification tasks that the headline has."""


@dataclass(frozen=True)
class ScoreEntry:
    """An encoder's score on one measure."""

    score: Score

    @property
    def measured(self) -> bool:
        """Return whether there is a value."""
        return self.score.status == OK


@dataclass(frozen=True)
class MeasureRow:
    """One measure of all encoders: `entries` are in the order of the table, None where missing."""

    probe: str
    direction: str
    measure: str
    metric: str
    chance: float
    test: int
    lower_is_better: bool
    entries: tuple[ScoreEntry | None, ...]


@dataclass(frozen=True)
class TaskScores:
    """A task and what was measured on it, by probe and direction."""

    task: str
    lines: tuple[MeasureRow, ...]


@dataclass(frozen=True)
class OtherScores:
    """Tables of further probes of the classification tasks, and of tasks on texts."""

    encoders: tuple[str, ...]
    classification: tuple[TaskScores, ...]
    language: tuple[TaskScores, ...]


def read_other_scores(found: RunData) -> OtherScores | None:
    """Return what else was asked, or None where nothing was."""
    scores = [
        score
        for score in found.rows("evaluate", "scores.parquet", Score)
        if score.shots == 0 and score.probe != "linear"
    ]
    if not scores:
        return None
    present = dict.fromkeys(score.encoder for score in scores)
    encoders = (
        *(n for n in ENCODER_NAMES if n in present),
        *(n for n in present if n not in ENCODER_NAMES),
    )
    classifying = [score for score in scores if score.probe in CLASSIFICATION_PROBES]
    language = [score for score in scores if score.probe not in CLASSIFICATION_PROBES]
    return OtherScores(
        encoders, group_by_task(classifying, encoders), group_by_task(language, encoders)
    )


def group_by_task(scores: Sequence[Score], encoders: Sequence[str]) -> tuple[TaskScores, ...]:
    """Return scores by task; within one, by probe, then direction, then as they were found."""
    by_task = dict[str, dict[tuple[str, str], dict[str, ScoreEntry]]]()
    for score in scores:
        entries = by_task.setdefault(score.task, {}).setdefault((score.probe, score.metric), {})
        entries[score.encoder] = ScoreEntry(score)
    return tuple(
        TaskScores(
            task,
            tuple(
                _measure_row(measure, measures[measure], encoders)
                for measure in _sorted_measures(measures)
            ),
        )
        for task, measures in by_task.items()
    )


def _sorted_measures(measures: Mapping[tuple[str, str], object]) -> list[tuple[str, str]]:
    return sorted(measures, key=lambda pair: (probe_order(pair[0]), split_direction(pair[1])[0]))


def _measure_row(
    measure: tuple[str, str], entries: Mapping[str, ScoreEntry], encoders: Sequence[str]
) -> MeasureRow:
    probe, metric = measure
    direction, name = split_direction(metric)
    shown = next(
        (e.score for e in entries.values() if e.measured), next(iter(entries.values())).score
    )
    return MeasureRow(
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
class FewShotScores:
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


def read_few_shot(found: RunData) -> tuple[FewShotScores, ...]:
    """Return the few-shot scores by task; none where none were asked for."""
    by_task = dict[tuple[str, str], list[Score]]()
    for score in found.rows("evaluate", "scores.parquet", Score):
        if score.shots and score.probe == "linear" and score.encoder in ENCODER_NAMES:
            by_task.setdefault((score.task, score.metric), []).append(score)
    return tuple(
        _few_shot_scores(task, metric, scores) for (task, metric), scores in by_task.items()
    )


def _few_shot_scores(task: str, metric: str, scores: Sequence[Score]) -> FewShotScores:
    measured = tuple(score for score in scores if score.status == OK)
    missing = tuple((s.shots, s.encoder, s.status) for s in scores if s.status != OK)
    return FewShotScores(task, metric, scores[0].chance, measured, missing)


MAX_LISTED_LEAKS = 20

LEAKS_FILE = "leaks.parquet"

LEAK_REASONS = {
    "id": "the same bytes",
    "fingerprint": "the same sound",
    "sentence": "a sentence of a caption",
}
"""What the clips share with one that was learnt from."""


@dataclass(frozen=True)
class LeakSummary:
    """How many test clips leaked, how many by each reason, and the first rows.

    A clip that leaked in several ways counts by the surest of them.
    """

    clips: int
    reasons: tuple[tuple[str, int], ...]
    listed: tuple[tuple[Leak, str], ...]
    rows: int


def read_leaks(found: RunData) -> LeakSummary | None:
    """Return the leaks, or None where the evaluate stage looked for none."""
    if found.file("evaluate", LEAKS_FILE) is None:
        return None
    return summarize_leaks(found.rows("evaluate", LEAKS_FILE, Leak))


def summarize_leaks(rows: Sequence[Leak]) -> LeakSummary:
    """Count leaks."""
    surest = dict[str, str]()
    for kind in reversed(LEAK_KINDS):
        surest |= {leak.id: kind for leak in rows if leak.by == kind}
    counts = Counter(surest.values())
    reasons = tuple((LEAK_REASONS[kind], counts[kind]) for kind in LEAK_KINDS if counts[kind])
    listed = tuple((leak, LEAK_REASONS[leak.by]) for leak in rows[:MAX_LISTED_LEAKS])
    return LeakSummary(len(surest), reasons, listed, len(rows))

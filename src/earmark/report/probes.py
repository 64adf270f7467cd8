"""What pre-training bought: probe scores by task, and whether the differences are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.evaluate.base import OK, Comparison
from earmark.records import Score
from earmark.report.run import Finished

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

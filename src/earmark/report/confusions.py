"""Which classes a probe confuses: a table where classes are few, else the largest confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.evaluate.base import Confusion
from earmark.report.run import RunData
from earmark.report.scores import TRAINED

MAX_CLASSES = 12
"""A table with more classes is not read, so the largest confusions are listed."""
MAX_LISTED = 20
MAX_SHADE = 45
"""Per cent of the colour where all clips of a class go; text stays readable."""


@dataclass(frozen=True)
class ConfusionCell:
    """Clips of a class that were taken for one; `shade` is their share in per cent of colour."""

    clips: int
    share: float
    shade: int
    right: bool


@dataclass(frozen=True)
class Mistake:
    """Clips of `truth`, of which it has `of`, that were taken for `predicted`."""

    truth: str
    predicted: str
    clips: int
    of: int


@dataclass(frozen=True)
class TaskConfusion:
    """What the linear probe of the trained encoder makes of a task's test clips.

    `rows` are (class, its test clips, squares in the order of `classes`), empty where there are
    more than `MAX_CLASSES`.
    """

    task: str
    classes: tuple[str, ...]
    right: int
    clips: int
    rows: tuple[tuple[str, int, tuple[ConfusionCell, ...]], ...]
    largest: tuple[Mistake, ...]
    mistakes: int


def read_confusions(found: RunData) -> tuple[TaskConfusion, ...]:
    """Return the confusions of each task, by task; none where none were kept."""
    by_task = dict[str, list[Confusion]]()
    for row in found.rows("evaluate", "confusion.parquet", Confusion):
        if (row.encoder, row.probe) == (TRAINED, "linear"):
            by_task.setdefault(row.task, []).append(row)
    return tuple(task_confusion(task, rows) for task, rows in by_task.items())


def task_confusion(task: str, rows: Sequence[Confusion]) -> TaskConfusion:
    """Return a task's table and its largest confusions; rows of one pair are added up."""
    counts = Counter[tuple[str, str]]()
    totals = Counter[str]()
    for row in rows:
        counts[row.truth, row.predicted] += row.clips
        totals[row.truth] += row.clips
    classes = tuple(sorted({name for pair in counts for name in pair}))
    wrong = [
        Mistake(truth, predicted, clips, totals[truth])
        for (truth, predicted), clips in counts.items()
        if truth != predicted and clips
    ]
    wrong.sort(key=lambda mistake: (-mistake.clips, mistake.truth, mistake.predicted))
    small = len(classes) <= MAX_CLASSES
    return TaskConfusion(
        task=task,
        classes=classes,
        right=sum(counts[name, name] for name in classes),
        clips=totals.total(),
        rows=tuple(
            (name, totals[name], _confusion_row(name, classes, counts, totals)) for name in classes
        )
        if small
        else (),
        largest=tuple(wrong[:MAX_LISTED]),
        mistakes=len(wrong),
    )


def _confusion_row(
    truth: str, classes: Sequence[str], counts: Counter[tuple[str, str]], totals: Counter[str]
) -> tuple[ConfusionCell, ...]:
    shares = [
        (name, counts[truth, name], counts[truth, name] / max(totals[truth], 1)) for name in classes
    ]
    return tuple(
        ConfusionCell(clips, share, round(MAX_SHADE * share), name == truth)
        for name, clips, share in shares
    )

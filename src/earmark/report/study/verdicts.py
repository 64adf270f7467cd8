"""The verdicts of a study, in sentences that follow from intervals alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.report.formatting import format_count, format_duration
from earmark.report.study.model import Measure, StudyModel, has_value, judge_cell, task_names
from earmark.report.summary import Headline
from earmark.study.results import DONE, Cell

FEW_SEEDS = 2
"""Under so few seeds an interval over seeds is wide: Student's t has one degree of freedom."""


@dataclass(frozen=True)
class ArmVerdict:
    """An arm against the base arm: on which tasks it is clearly better, clearly worse, neither.

    `seeds` is "2 of 3 seeds" where a comparison lacks some, else "".
    """

    arm: str
    seeds: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    undecided: tuple[str, ...]


@dataclass(frozen=True)
class UndecidedTask:
    """A task on which no arm's difference to the base arm is decided.

    `visible` is half the narrowest interval: a smaller difference could not have been told. It is
    NaN where there is no interval.
    """

    task: str
    metric: str
    test: int
    seeds: int
    visible: float
    largest: float


def study_headline(found: StudyModel) -> Headline:
    """Return the title, the sentences under it and the size of the study."""
    design = found.study.design
    title = design.question or f"What the study {design.name} found"
    return Headline(title, tuple(_sentences(found)), tuple(_facts(found)))


def arm_verdicts(found: StudyModel) -> tuple[ArmVerdict, ...]:
    """Return what each arm but the base arm wins and loses; arms without a score are left out."""
    by_arm = dict[str, list[Cell]]()
    for cell in found.compared:
        by_arm.setdefault(cell.arm, []).append(cell)
    return tuple(
        ArmVerdict(
            arm,
            found.told_seeds(min(map(found.seeds_of, cells))),
            *(
                tuple(task_names([cell for cell in cells if judge_cell(cell) == wanted]))
                for wanted in ("better", "worse", "undecided")
            ),
        )
        for arm, cells in by_arm.items()
    )


def undecided_tasks(found: StudyModel) -> tuple[UndecidedTask, ...]:
    """Return the measures on which nothing is decided, the least telling first."""
    rows = [
        _undecided_task(found, cells)
        for measure in found.headline
        if (cells := _differences(found, measure))
        and all(judge_cell(cell) == "undecided" for cell in cells)
    ]
    return tuple(sorted(rows, key=_visibility_order))


def expected_by_chance(intervals: int) -> str:
    """Return how many 95 % intervals of so many exclude zero by chance alone, if nothing differs.

    It is not rounded to whole ones where it is small: 0.15 of 3.
    """
    expected = intervals / 20
    return f"{expected:.2g}" if expected < 10 else format_count(round(expected))


def _sentences(found: StudyModel) -> list[str]:
    every = (
        _against_base(found),
        _chance_sentence(found),
        _few_seeds(found),
        _against_random(found),
    )
    return [sentence for sentence in every if sentence]


def _chance_sentence(found: StudyModel) -> str:
    number = found.intervals
    if number < 2:
        return ""
    return (
        f"These are {format_count(number)} comparisons: about {expected_by_chance(number)} of "
        "them would exclude zero by chance alone if no arm differed."
    )


def _few_seeds(found: StudyModel) -> str:
    """Return which comparisons have no interval or a wide one; "" where there are none such."""
    seeds = [found.seeds_of(cell) for cell in found.compared]
    bare = [math.isnan(cell.difference_low) for cell in found.compared]
    alone, two = sum(n < FEW_SEEDS for n in seeds), sum(n == FEW_SEEDS for n in seeds)
    small = sum(n >= FEW_SEEDS and no for n, no in zip(seeds, bare, strict=True))
    clauses = (
        (alone, "on a single seed and no interval, which decides nothing"),
        (small, "on too few test recordings for an interval, which decides nothing"),
        (two, "on two seeds, whose intervals are wide"),
    )
    told = [f"{_rest_clause(number, len(seeds))} {what}" for number, what in clauses if number]
    return f"{'; '.join(told)}." if told else ""


def _rest_clause(number: int, of: int) -> str:
    if number == of:
        return "Every comparison rests"
    verb = "rests" if number == 1 else "rest"
    return f"{format_count(number)} of {format_count(of)} comparisons {verb}"


def _against_base(found: StudyModel) -> str:
    if len(found.arms) == 1:
        return f"The study has one arm, {found.base}: there is nothing to compare it with."
    measured = [rows for measure in found.headline if (rows := _differences(found, measure))]
    if not measured:
        return f"No arm could be compared with {found.base}: the reasons stand below."
    judgements = [{judge_cell(cell) for cell in cells} for cells in measured]
    better = sum("better" in seen for seen in judgements)
    worse = sum("worse" in seen for seen in judgements)
    thin = sum(seen == {"undecided"} for seen in judgements)
    clauses = [
        f"On {better} of {_count_tasks(len(measured))} an arm is clearly better than {found.base}"
    ]
    if worse:
        clauses.append(f"on {worse} one is clearly worse")
    if thin:
        clauses.append(f"on {thin} the data is too thin to say")
    return "; ".join(clauses) + "."


def _against_random(found: StudyModel) -> str:
    pairs = [
        (cell, random)
        for measure in found.headline
        if (cell := found.cell(found.base, measure)) and has_value(cell)
        if (random := found.baseline("random", measure))
        if not math.isnan(cell.low) and not math.isnan(random.low)
    ]
    if not pairs:
        return ""
    above = sum(_is_separated(cell, random) for cell, random in pairs)
    return (
        f"The interval of {found.base} lies wholly on the better side of that of random weights on "
        f"{above} of {_count_tasks(len(pairs))}."
    )


def _is_separated(cell: Cell, other: Cell) -> bool:
    return cell.high < other.low if cell.lower_is_better else cell.low > other.high


def _facts(found: StudyModel) -> list[tuple[str, str]]:
    runs = found.study.runs
    done = [run for run in runs if run.status == DONE]
    tasks = {measure.task for measure in found.measures}
    facts = [
        (format_count(len(found.arms)), "arm" if len(found.arms) == 1 else "arms"),
        (format_count(len(found.study.design.seeds)), "seeds"),
        (f"{len(done)} of {len(runs)}", "runs done"),
        (format_count(len(tasks)), "tasks"),
    ]
    trained_s = sum(run.train_s for run in done if run.train_s == run.train_s)
    return [*facts, (format_duration(trained_s), "of training")] if trained_s else facts


def _differences(found: StudyModel, measure: Measure) -> list[Cell]:
    return [
        cell
        for cell in found.compared
        if (cell.task, cell.probe, cell.shots, cell.metric)
        == (measure.task, measure.probe, measure.shots, measure.metric)
    ]


def _undecided_task(found: StudyModel, cells: Sequence[Cell]) -> UndecidedTask:
    first = cells[0]
    halves = [(cell.difference_high - cell.difference_low) / 2 for cell in cells]
    return UndecidedTask(
        task=first.task,
        metric=first.metric,
        test=first.test,
        seeds=min(map(found.seeds_of, cells)),
        visible=min((half for half in halves if not math.isnan(half)), default=math.nan),
        largest=max((cell.difference for cell in cells), key=abs),
    )


def _visibility_order(row: UndecidedTask) -> float:
    """Order the tasks without an interval first, then by what could be seen, falling."""
    return -math.inf if math.isnan(row.visible) else -row.visible


def _count_tasks(number: int) -> str:
    return f"{number} task" if number == 1 else f"{number} tasks"

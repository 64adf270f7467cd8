"""What a study found, in sentences that follow from intervals alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.report import numbers
from earmark.report.headline import Headline
from earmark.report.measures import lower_is_better
from earmark.study.results import DONE, Cell

from .found import Found, Measure, has_value, judge, tasks_of


@dataclass(frozen=True)
class ArmVerdict:
    """An arm against the base arm: on which tasks it is clearly better, clearly worse, neither."""

    arm: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    undecided: tuple[str, ...]


@dataclass(frozen=True)
class Thin:
    """A task on which no arm's difference to the base arm is decided.

    `visible` is half the narrowest interval: a smaller difference could not have been told.
    """

    task: str
    metric: str
    test: int
    seeds: int
    visible: float
    largest: float


def read_headline(found: Found) -> Headline:
    """Return the title, the sentences under it and the size of the study."""
    design = found.study.design
    title = design.question or f"What the study {design.name} found"
    return Headline(title, tuple(_sentences(found)), tuple(_facts(found)))


def arm_verdicts(found: Found) -> tuple[ArmVerdict, ...]:
    """Return what each arm but the base arm wins and loses; arms without a score are left out."""
    by_arm = dict[str, list[Cell]]()
    for cell in found.compared:
        by_arm.setdefault(cell.arm, []).append(cell)
    return tuple(
        ArmVerdict(
            arm,
            *(
                tuple(tasks_of([cell for cell in cells if judge(cell) == wanted]))
                for wanted in ("better", "worse", "undecided")
            ),
        )
        for arm, cells in by_arm.items()
    )


def thin_tasks(found: Found) -> tuple[Thin, ...]:
    """Return the measures on which nothing is decided, the least telling first."""
    rows = [
        _thin(cells)
        for measure in found.headline
        if (cells := _differences(found, measure))
        and all(judge(cell) == "undecided" for cell in cells)
    ]
    return tuple(sorted(rows, key=lambda row: -row.visible))


def _sentences(found: Found) -> list[str]:
    return [sentence for sentence in (_against_base(found), _against_random(found)) if sentence]


def _against_base(found: Found) -> str:
    if len(found.arms) == 1:
        return f"The study has one arm, {found.base}: there is nothing to compare it with."
    measured = [rows for measure in found.headline if (rows := _differences(found, measure))]
    if not measured:
        return f"No arm could be compared with {found.base}: the reasons stand below."
    judgements = [{judge(cell) for cell in cells} for cells in measured]
    better = sum("better" in seen for seen in judgements)
    worse = sum("worse" in seen for seen in judgements)
    thin = sum(seen == {"undecided"} for seen in judgements)
    clauses = [f"On {better} of {_tasks(len(measured))} an arm is clearly better than {found.base}"]
    if worse:
        clauses.append(f"on {worse} one is clearly worse")
    if thin:
        clauses.append(f"on {thin} the data is too thin to say")
    return "; ".join(clauses) + "."


def _against_random(found: Found) -> str:
    pairs = [
        (cell, random)
        for measure in found.headline
        if (cell := found.cell(found.base, measure)) and has_value(cell)
        if (random := found.baseline("random", measure))
    ]
    if not pairs:
        return ""
    above = sum(_apart(cell, random) for cell, random in pairs)
    return (
        f"The interval of {found.base} lies wholly on the better side of that of random weights on "
        f"{above} of {_tasks(len(pairs))}."
    )


def _apart(cell: Cell, other: Cell) -> bool:
    return cell.high < other.low if lower_is_better(cell.metric) else cell.low > other.high


def _facts(found: Found) -> list[tuple[str, str]]:
    runs = found.study.runs
    done = [run for run in runs if run.status == DONE]
    tasks = {measure.task for measure in found.measures}
    facts = [
        (numbers.count(len(found.arms)), "arm" if len(found.arms) == 1 else "arms"),
        (numbers.count(len(found.study.design.seeds)), "seeds"),
        (f"{len(done)} of {len(runs)}", "runs done"),
        (numbers.count(len(tasks)), "tasks"),
    ]
    trained_s = sum(run.train_s for run in done if run.train_s == run.train_s)
    return [*facts, (numbers.duration(trained_s), "of training")] if trained_s else facts


def _differences(found: Found, measure: Measure) -> list[Cell]:
    return [
        cell
        for cell in found.compared
        if (cell.task, cell.probe, cell.shots, cell.metric)
        == (measure.task, measure.probe, measure.shots, measure.metric)
    ]


def _thin(cells: Sequence[Cell]) -> Thin:
    first = cells[0]
    return Thin(
        task=first.task,
        metric=first.metric,
        test=first.test,
        seeds=min(cell.seeds for cell in cells),
        visible=min((cell.difference_high - cell.difference_low) / 2 for cell in cells),
        largest=max((cell.difference for cell in cells), key=abs),
    )


def _tasks(number: int) -> str:
    return f"{number} task" if number == 1 else f"{number} tasks"

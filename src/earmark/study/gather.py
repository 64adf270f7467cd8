"""What the finished runs of a study say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from earmark.evaluate.base import OK
from earmark.evaluate.resamples import Measure, measure_of, read_resamples
from earmark.pipeline import stages_of
from earmark.records import Score, read_parquet
from earmark.study.one_run import read_outcome
from earmark.study.plan import Plan, Planned
from earmark.study.results import DONE, NOT_RUN, Cell, Run, Study
from earmark.study.statistics import NAN, Interval, Measured, over_seeds, paired
from earmark.workspace import Stage

TRAINED = "trained"
OTHER_CLIPS = "other test clips than the base arm"


@dataclass(frozen=True)
class Found:
    """What one run measured: scores by encoder and measure, and their resamples."""

    scores: Mapping[tuple[str, Measure], Score]
    measured: Mapping[tuple[str, Measure], Measured]


def gather(plan: Plan, root: Path, folder: Path) -> Study:
    """Return a study's runs and cells, as far as they are done."""
    from earmark.study.run import run_folder

    runs: list[Run] = []
    found: dict[tuple[str, int], Found] = {}
    for each in plan.runs:
        stages = stages_of(each.recipe, root)
        runs.append(_run(each, stages, run_folder(folder, each)))
        if stages["evaluate"].done:
            found[each.arm, each.seed] = _read(stages["evaluate"].folder)
    cells = [
        cell
        for measure in _measures(found)
        for cell in [*_baselines(plan, found, measure), *_arms(plan, found, measure)]
    ]
    return Study(plan.design, tuple(runs), tuple(cells))


def _run(planned: Planned, stages: Mapping[str, Stage], room: Path) -> Run:
    pretrain, evaluate = stages["pretrain"], stages["evaluate"]
    outcome = read_outcome(room)
    status = DONE if evaluate.done else outcome.status if outcome else NOT_RUN
    energy_wh = outcome.energy_wh if outcome else None
    return Run(
        arm=planned.arm,
        seed=planned.seed,
        status=status,
        pretrain=pretrain.folder.name,
        evaluate=evaluate.folder.name,
        audio_s=_audio_s(pretrain),
        train_s=_duration_s(pretrain),
        evaluate_s=_duration_s(evaluate),
        energy_wh=NAN if energy_wh is None else energy_wh,
    )


def _duration_s(stage: Stage) -> float:
    return float(stage.provenance()["duration_s"]) if stage.done else NAN


def _audio_s(stage: Stage) -> float:
    """Return the seconds of audio that a run learnt from, off its log."""
    if not stage.done:
        return NAN
    rows = map(msgspec.json.decode, stage.file("log.jsonl").read_bytes().splitlines())
    return max((float(row["audio_s"]) for row in rows if row["split"] == "train"), default=NAN)


def _read(folder: Path) -> Found:
    scores = read_parquet(folder / "scores.parquet", Score)
    resampled = read_resamples(folder)
    keyed = {(score.encoder, measure_of(score)): score for score in scores}
    measured = {
        key: Measured(score.value, resampled[key])
        for key, score in keyed.items()
        if score.status == OK
    }
    return Found(keyed, measured)


def _measures(found: Mapping[tuple[str, int], Found]) -> list[Measure]:
    """Return every measure of the trained encoder, in the order of the tasks."""
    return list(
        dict.fromkeys(
            measure
            for each in found.values()
            for encoder, measure in each.scores
            if encoder == TRAINED
        )
    )


def _arms(plan: Plan, found: Mapping[tuple[str, int], Found], measure: Measure) -> list[Cell]:
    """Return a cell for each arm that has been run."""
    cells: list[Cell] = []
    for arm in plan.design.arms:
        ours = {seed: run for (name, seed), run in found.items() if name == arm}
        theirs = {seed: run for (name, seed), run in found.items() if name == plan.design.base}
        if not ours:
            continue
        cell = _cell(arm, TRAINED, ours, measure, plan.design.seeds)
        if arm != plan.design.base:
            cell = _against(cell, ours, theirs, measure)
        cells.append(cell)
    return cells


def _baselines(plan: Plan, found: Mapping[tuple[str, int], Found], measure: Measure) -> list[Cell]:
    """Return cells of the encoders that the base arm's runs were held against."""
    base = {seed: run for (name, seed), run in found.items() if name == plan.design.base}
    others = dict.fromkeys(
        encoder
        for run in base.values()
        for encoder, of in run.scores
        if of == measure and encoder != TRAINED
    )
    return [_cell("", encoder, base, measure, plan.design.seeds) for encoder in others]


def _cell(
    arm: str,
    encoder: str,
    runs: Mapping[int, Found],
    measure: Measure,
    seeds: Sequence[int],
) -> Cell:
    key = (encoder, measure)
    scores = [runs[seed].scores[key] for seed in seeds if seed in runs and key in runs[seed].scores]
    values = [
        runs[seed].measured[key] for seed in seeds if seed in runs and key in runs[seed].measured
    ]
    good = [score for score in scores if score.status == OK] or scores
    interval = over_seeds(values)
    task, probe, shots, metric = measure
    return Cell(
        arm=arm,
        encoder=encoder,
        task=task,
        probe=probe,
        shots=shots,
        metric=metric,
        seeds=len(values),
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        chance=good[0].chance if good else NAN,
        test=good[0].test if good else 0,
        difference=NAN,
        difference_low=NAN,
        difference_high=NAN,
        status=OK if values else good[0].status if good else "not measured",
    )


def _against(
    cell: Cell, ours: Mapping[int, Found], theirs: Mapping[int, Found], measure: Measure
) -> Cell:
    """Return the cell with its difference to the base arm, over the seeds that both have."""
    key = (TRAINED, measure)
    both = [
        seed
        for seed in ours
        if seed in theirs and key in ours[seed].measured and key in theirs[seed].measured
    ]
    same = all(ours[seed].scores[key].test == theirs[seed].scores[key].test for seed in both)
    if both and not same:
        return msgspec.structs.replace(cell, status=OTHER_CLIPS)
    interval = (
        paired([ours[s].measured[key] for s in both], [theirs[s].measured[key] for s in both])
        if both
        else Interval(NAN, NAN, NAN)
    )
    return msgspec.structs.replace(
        cell,
        difference=interval.mean,
        difference_low=interval.low,
        difference_high=interval.high,
    )

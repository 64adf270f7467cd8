"""Aggregate the finished runs of a study: means over seeds, intervals, paired differences.

With S seeds, m is the mean of their values. Seeds add the variance s^2 / S, with s^2 the sample
variance of the values; test clips add v, that of the mean over seeds on the bootstrap resamples,
which hold the same clips in every run. The interval is m +- sqrt(t^2 s^2 / S + z^2 v), with t the
97.5 % point of Student's distribution of S - 1 degrees of freedom and z that of the normal one. In
simulation with 2 to 5 seeds it holds the truth in 95 to 99 of 100 cases; the interval of Welch and
Satterthwaite, which is narrower, in 86 to 94. Differences are treated in the same way, seed by seed
and resample by resample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float64

from earmark.bootstrap import ScoreKey, read_resamples, score_key
from earmark.evaluate.base import OK
from earmark.pipeline import stages_of
from earmark.records import Score
from earmark.study.plan import StudyPlan
from earmark.study.results import (
    DONE,
    NOT_RUN,
    OTHER_CLIPS,
    Cell,
    Design,
    Difference,
    Run,
    Study,
    run_folder,
)
from earmark.study.worker import read_run_outcome
from earmark.tables import read_parquet
from earmark.workspace import StageFolder

CONFIDENCE = 0.95

NAN = float("nan")


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval; `low` and `high` are NaN where there is none."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class SeedScore:
    """A score under one seed, and its value on each bootstrap resample of the test clips."""

    value: float
    resampled: Float64[np.ndarray, " resamples"]


def mean_over_seeds(runs: Sequence[SeedScore]) -> Interval:
    """Return the mean of a score over seeds, with its interval; NaN where there are no runs.

    There is no interval under a single seed, which says nothing of other seeds, nor where fewer
    than two resamples have a value under every seed.
    """
    if not runs:
        return Interval(NAN, NAN, NAN)
    values = np.array([run.value for run in runs])
    mean = float(values.mean())
    together = np.mean([run.resampled for run in runs], axis=0)
    together = together[np.isfinite(together)]
    if len(values) < 2 or len(together) < 2:
        return Interval(mean, NAN, NAN)
    of_seeds = float(values.var(ddof=1)) / len(values)
    half = _half_width(of_seeds, float(together.var(ddof=1)), len(values))
    return Interval(mean, mean - half, mean + half)


def paired_difference(ours: Sequence[SeedScore], theirs: Sequence[SeedScore]) -> Interval:
    """Return the mean difference of two arms, run by run under the same seeds, with its interval.

    Resamples must hold the same test clips: those of equal (task, seed of evaluation) do.
    """
    differences = [
        SeedScore(a.value - b.value, a.resampled - b.resampled)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return mean_over_seeds(differences)


def _half_width(of_seeds: float, of_clips: float, seeds: int) -> float:
    from scipy.stats import norm, t

    tail = 0.5 + CONFIDENCE / 2
    reach = float(t.ppf(tail, seeds - 1)) ** 2 * of_seeds + float(norm.ppf(tail)) ** 2 * of_clips
    return float(np.sqrt(reach))


TRAINED = "trained"

NAN_INTERVAL = Interval(NAN, NAN, NAN)


@dataclass(frozen=True)
class RunResult:
    """What one run measured: scores by encoder and measure, and their resamples."""

    scores: Mapping[tuple[str, ScoreKey], Score]
    measured: Mapping[tuple[str, ScoreKey], SeedScore]


ArmResults = Mapping[str, Mapping[int, RunResult]]
"""Finished runs by arm and seed."""


def aggregate_study(plan: StudyPlan, root: Path, folder: Path) -> Study:
    """Return a study's runs, cells and differences, as far as they are done."""
    runs: list[Run] = []
    found: dict[str, dict[int, RunResult]] = {arm: {} for arm in plan.design.arms}
    for each in plan.runs:
        stages = stages_of(each.recipe, root)
        room = run_folder(folder, each.arm, each.seed, stages["evaluate"].fingerprint)
        runs.append(_run_row(each.arm, each.seed, stages, room))
        if stages["evaluate"].done:
            found[each.arm][each.seed] = _read_result(stages["evaluate"].folder)
    measures = _measures(found)
    cells = [cell for measure in measures for cell in _cells(plan.design, found, measure)]
    differences = [row for measure in measures for row in _differences(plan.design, found, measure)]
    return Study(plan.design, tuple(runs), tuple(cells), tuple(differences))


def _run_row(arm: str, seed: int, stages: Mapping[str, StageFolder], room: Path) -> Run:
    pretrain, evaluate = stages["pretrain"], stages["evaluate"]
    outcome = read_run_outcome(room)
    failed = outcome is not None and outcome.status not in (DONE, NOT_RUN)
    status = DONE if evaluate.done else outcome.status if outcome and failed else NOT_RUN
    energy_wh = outcome.energy_wh if outcome else None
    return Run(
        arm=arm,
        seed=seed,
        status=status,
        pretrain=pretrain.folder.name,
        evaluate=evaluate.folder.name,
        audio_s=_audio_s(pretrain),
        train_s=_duration_s(pretrain),
        evaluate_s=_duration_s(evaluate),
        energy_wh=NAN if energy_wh is None else energy_wh,
    )


def _duration_s(stage: StageFolder) -> float:
    return float(stage.provenance()["duration_s"]) if stage.done else NAN


def _audio_s(stage: StageFolder) -> float:
    """Return the seconds of audio that a run learnt from, off its log."""
    if not stage.done:
        return NAN
    rows = map(msgspec.json.decode, stage.file("log.jsonl").read_bytes().splitlines())
    return max((float(row["audio_s"]) for row in rows if row["split"] == "train"), default=NAN)


def _read_result(folder: Path) -> RunResult:
    scores = read_parquet(folder / "scores.parquet", Score)
    resampled = read_resamples(folder)
    keyed = {(score.encoder, score_key(score)): score for score in scores}
    measured = {
        key: SeedScore(score.value, resampled[key])
        for key, score in keyed.items()
        if score.status == OK
    }
    return RunResult(keyed, measured)


def _measures(found: ArmResults) -> list[ScoreKey]:
    """Return every measure of the trained encoder, in the order of the tasks."""
    every = (run for seeds in found.values() for run in seeds.values())
    return list(
        dict.fromkeys(
            measure for run in every for encoder, measure in run.scores if encoder == TRAINED
        )
    )


def _cells(design: Design, found: ArmResults, measure: ScoreKey) -> Iterator[Cell]:
    """Yield a cell for each baseline that the base arm met, and for each arm that has been run."""
    base = found[design.base]
    others = dict.fromkeys(
        encoder
        for run in base.values()
        for encoder, of in run.scores
        if of == measure and encoder != TRAINED
    )
    for encoder in others:
        yield _cell("", encoder, base, measure, NAN_INTERVAL, "")
    for arm, ours in found.items():
        if ours:
            lead, why = NAN_INTERVAL, ""
            if arm != design.base:
                lead, why, _ = _arm_difference(ours, base, measure)
            yield _cell(arm, TRAINED, ours, measure, lead, why)


def _cell(
    arm: str,
    encoder: str,
    runs: Mapping[int, RunResult],
    measure: ScoreKey,
    lead: Interval,
    why: str,
) -> Cell:
    key = (encoder, measure)
    scores = [run.scores[key] for run in runs.values() if key in run.scores]
    values = [run.measured[key] for run in runs.values() if key in run.measured]
    shown = next((score for score in scores if score.status == OK), scores[0] if scores else None)
    interval = mean_over_seeds(values)
    task, probe, shots, metric = measure
    status = (why or OK) if values else shown.status if shown else "not measured"
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
        chance=shown.chance if shown else NAN,
        test=shown.test if shown else 0,
        difference=lead.mean,
        difference_low=lead.low,
        difference_high=lead.high,
        status=status,
        lower_is_better=shown.lower_is_better if shown else False,
    )


def _differences(design: Design, found: ArmResults, measure: ScoreKey) -> Iterator[Difference]:
    """Yield what an axis changes: each level against the axis' first, all else being equal."""
    task, probe, shots, metric = measure
    key = (TRAINED, measure)
    for axis, levels in design.axes.items():
        for _, arms in design.blocks(axis):
            base = arms.get(levels[0])
            for arm in arms.values():
                if base is None or arm == base or not (found[arm] and found[base]):
                    continue
                lead, why, seeds = _arm_difference(found[arm], found[base], measure)
                rows = [run.scores[key] for run in found[arm].values() if key in run.scores]
                yield Difference(
                    axis=axis,
                    arm=arm,
                    base=base,
                    task=task,
                    probe=probe,
                    shots=shots,
                    metric=metric,
                    lower_is_better=bool(rows) and rows[0].lower_is_better,
                    seeds=seeds,
                    difference=lead.mean,
                    low=lead.low,
                    high=lead.high,
                    status=why or OK,
                )


def _arm_difference(
    ours: Mapping[int, RunResult], theirs: Mapping[int, RunResult], measure: ScoreKey
) -> tuple[Interval, str, int]:
    """Return the difference of two arms over the seeds that both have, why there is none, seeds."""
    key = (TRAINED, measure)
    both = [
        seed
        for seed in ours
        if seed in theirs and key in ours[seed].measured and key in theirs[seed].measured
    ]
    if not both:
        return NAN_INTERVAL, "no seed that both have", 0
    if any(
        _test_clips(ours[seed].scores[key]) != _test_clips(theirs[seed].scores[key])
        for seed in both
    ):
        return NAN_INTERVAL, OTHER_CLIPS, 0
    lead = paired_difference(
        [ours[s].measured[key] for s in both], [theirs[s].measured[key] for s in both]
    )
    return lead, "", len(both)


def _test_clips(score: Score) -> Sequence[object]:
    """Return what tells test clips from others."""
    return score.test, score.clips

"""A study of invented rows: two axes, twelve tasks, a failed arm, a seed that failed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from earmark.study.results import Cell, Design, Difference, Run, Study

NAN = float("nan")
OBJECTIVES = ("tags", "contrastive", "captioning", "multi-task")
SIZES = ("300", "1000", "3000")
SPOKEN = ("VoxCeleb", "CREMA-D", "RAVDESS", "LibriSpeech")
TASKS = ("FSD50K", "VGGSound", *SPOKEN, "MagnaTagATune", "NSynth", "ESC-50", "GTZAN", "domain")
SEEDS = (0, 1, 2)


def study(*, question: str = "Which objective for which task?", **changes: Any) -> Study:
    """Return the study; `changes` replace parts of its design."""
    arms = {name: {"objective": name, "K": "1000"} for name in OBJECTIVES}
    arms |= {f"tags, K={size}": {"objective": "tags", "K": size} for size in ("300", "3000")}
    design = Design(
        **{
            "name": "objectives",
            "question": question,
            "axes": {"objective": OBJECTIVES, "K": SIZES},
            "arms": arms,
            "seeds": SEEDS,
            **changes,
        }
    )
    cells = [cell for arm in design.arms for cell in _cells(arm, design.base)]
    rows = (*cells, *_baselines())
    return Study(design, tuple(runs(design)), rows, differences(design, cells))


def differences(design: Design, cells: Sequence[Cell]) -> tuple[Difference, ...]:
    """Return what each axis changes: of arms that are held against the base arm, as in the cells.

    In other blocks of a grid it is made up from the means.
    """
    found = {(c.arm, c.task, c.probe, c.shots, c.metric): c for c in cells if c.arm}
    return tuple(
        _difference(axis, row, found[arms[levels[0]], *key])
        for axis, levels in design.axes.items()
        for _, arms in design.blocks(axis)
        if levels[0] in arms
        for (arm, *key), row in found.items()
        if arm in arms.values() and arm != arms[levels[0]] and (arms[levels[0]], *key) in found
    )


def _difference(axis: str, row: Cell, base: Cell) -> Difference:
    direct = not np.isnan(row.difference)
    gain = row.difference if direct else row.mean - base.mean
    return Difference(
        axis=axis,
        arm=row.arm,
        base=base.arm,
        task=row.task,
        probe=row.probe,
        shots=row.shots,
        metric=row.metric,
        lower_is_better=row.lower_is_better,
        seeds=min(row.seeds, base.seeds),
        difference=gain,
        low=row.difference_low if direct else gain - 0.02,
        high=row.difference_high if direct else gain + 0.02,
        status="ok",
    )


def runs(design: Design) -> list[Run]:
    """Return the runs: every one of captioning failed, and one of multi-task."""
    return [run(arm, seed, _status(arm, seed)) for arm, seed in product(design.arms, design.seeds)]


def run(arm: str, seed: int, status: str = "done") -> Run:
    """Return one run."""
    done = status == "done"
    return Run(
        arm=arm,
        seed=seed,
        status=status,
        pretrain="pretrain-0a1b2c3d4e5f" if done else "",
        evaluate=f"evaluate-{seed:012d}" if done else "",
        audio_s=360_000.0 if done else 0.0,
        train_s=1500.0 + seed if done else NAN,
        evaluate_s=240.0 if done else NAN,
        energy_wh=NAN if arm == "contrastive" else 12.5,
    )


def cell(task: str = "ESC-50", **changes: Any) -> Cell:
    """Return one cell."""
    values = {
        "arm": "tags",
        "encoder": "trained",
        "probe": "linear",
        "shots": 0,
        "metric": "accuracy",
        "seeds": 3,
        "mean": 0.7,
        "low": 0.65,
        "high": 0.75,
        "chance": 0.1,
        "test": 400,
        "difference": NAN,
        "difference_low": NAN,
        "difference_high": NAN,
        "status": "ok",
    }
    return Cell(task=task, **{**values, **changes})


def compared(low: float, high: float, /, **changes: Any) -> Cell:
    """Return the cell of an arm whose difference to the base arm has this interval."""
    ends = {"difference_low": low, "difference_high": high, "difference": (low + high) / 2}
    return cell(**{"arm": "contrastive", **ends, **changes})


def _status(arm: str, seed: int) -> str:
    if arm == "captioning":
        return "the loss was not finite at step 40: lower pretrain.lr"
    return "not run" if (arm, seed) == ("multi-task", 2) else "done"


def _cells(arm: str, base: str) -> list[Cell]:
    rng = np.random.default_rng(len(arm))
    seeds = 2 if arm == "multi-task" else 3
    rows: list[Cell] = []
    for place, task in enumerate(TASKS):
        metric = "mAP" if task == "MagnaTagATune" else "accuracy"
        mean, gain = 0.45 + 0.03 * place, float(rng.normal(0, 0.05))
        shared = {"arm": arm, "task": task, "metric": metric, "seeds": seeds}
        if arm == "captioning":
            gone = dict.fromkeys(("mean", "low", "high"), NAN)
            rows.append(cell(**shared, **gone, status="no finished run"))
            continue
        rows.append(_at(arm == base, mean, gain, shared))
        if place < 4:
            rows += [
                _at(arm == base, mean - 0.3 / shots**0.5, gain, {**shared, "shots": shots})
                for shots in (1, 5, 10, 50)
            ]
        if place < 3:
            rows.append(_at(arm == base, mean + 0.02, gain, {**shared, "probe": "attentive"}))
    if arm == "contrastive":
        rows += [
            compared(
                -9.0,
                -2.0,
                task="retrieval",
                probe="lit",
                mean=14.0,
                low=11.0,
                high=17.0,
                metric="audio_to_text_median_rank",
                lower_is_better=True,
                chance=200.0,
            ),
            compared(
                -0.01, 0.04, task="retrieval", probe="lit", metric="audio_to_text_recall_at_10"
            ),
        ]
    return rows


def _at(is_base: bool, mean: float, gain: float, shared: dict[str, Any]) -> Cell:
    value = mean if is_base else mean + gain
    ends = {"mean": value, "low": value - 0.03, "high": value + 0.03}
    if is_base:
        return cell(**shared, **ends)
    return compared(gain - 0.035, gain + 0.035, **shared, **ends)


def _baselines() -> list[Cell]:
    return [
        cell(
            task,
            arm="",
            encoder=encoder,
            mean=value,
            low=value - 0.03,
            high=value + 0.03,
            metric="mAP" if task == "MagnaTagATune" else "accuracy",
        )
        for place, task in enumerate(TASKS)
        for encoder, value in (("random", 0.3 + 0.02 * place), ("log-mel", 0.35 + 0.02 * place))
    ]

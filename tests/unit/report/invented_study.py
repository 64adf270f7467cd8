"""A study of invented rows: two axes, twelve tasks, a failed arm, a seed that failed."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from earmark.study.results import Cell, Design, Run, Study

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
    return Study(design, tuple(runs(design)), (*cells, *_baselines()))


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
            rows.append(_at(arm == base, mean + 0.02, gain, {**shared, "probe": "attention"}))
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

"""Probe a trained encoder beside what it has to beat: itself untrained, and plain statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from earmark.evaluate.base import OK, Comparison, Fit, Outcome, Task
from earmark.evaluate.bootstrap import percentile_interval
from earmark.evaluate.check import check_tasks
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.contenders import CONTENDERS, Contender
from earmark.evaluate.features import CachedEncoder
from earmark.evaluate.linear import LinearProbe
from earmark.evaluate.partition import partition
from earmark.pretrain.device import pick_device
from earmark.progress import track
from earmark.records import Example, Score, write_parquet


def evaluate(
    examples: Sequence[Example],
    checkpoint: Path,
    config: EvaluateConfig,
    folder: Path,
    *,
    seed: int,
    contenders: Sequence[Contender] = CONTENDERS,
) -> dict[str, int]:
    """Run every task on every contender; called again after a kill, it encodes no clip twice.

    Writes scores.parquet (Score), comparisons.parquet (Comparison) and fits.parquet (Fit), and a
    feature cache for each encoder.

    Args:
        examples: the manifest.
        checkpoint: folder of the pre-trained encoder.
        config: the tasks.
        folder: where to write.
        seed: of the random encoder's weights and of the bootstrap.
        contenders: what is compared; the first is held against each other one.

    Returns:
        "in" tasks times encoders, "out" those with a value, "evaluate: <status>" the others.

    Raises:
        ConfigError: a task asks for what is not there.
        AudioError: a clip of the manifest cannot be read any more.
    """
    check_tasks(config.tasks, [example.labels for example in examples])
    tasks = [LinearProbe(task.name, partition(examples, task), config) for task in config.tasks]
    outcomes: dict[str, dict[str, Outcome]] = {task.name: {} for task in tasks}
    for contender in contenders if tasks else ():
        for name, outcome in _measure(contender, tasks, checkpoint, config, folder, seed).items():
            outcomes[name][contender.name] = outcome
    rows = [outcome for found in outcomes.values() for outcome in found.values()]
    write_parquet(folder / "fits.parquet", [row.fit for row in rows], Fit)
    compared = [pair for task, found in outcomes.items() for pair in compare(task, found)]
    write_parquet(folder / "comparisons.parquet", compared, Comparison)
    write_parquet(folder / "scores.parquet", [row.score for row in rows], Score)
    statuses = Counter(row.score.status for row in rows)
    failed = {f"evaluate: {why}": n for why, n in statuses.most_common() if why != OK}
    return {"in": len(rows), "out": statuses[OK], **failed}


def compare(task: str, found: Mapping[str, Outcome]) -> list[Comparison]:
    """Return how the first of the outcomes differs from each other one, paired by resample."""
    (better, ours), *others = found.items()
    rows: list[Comparison] = []
    for than, theirs in others:
        status = ours.score.status if ours.score.status != OK else theirs.score.status
        paired = ours.resampled - theirs.resampled if status == OK else np.zeros(0)
        low, high = percentile_interval(paired)
        rows.append(
            Comparison(
                task=task,
                better=better,
                than=than,
                difference=ours.score.value - theirs.score.value,
                low=low,
                high=high,
                status=status,
            )
        )
    return rows


def _measure(
    contender: Contender,
    tasks: Sequence[Task],
    checkpoint: Path,
    config: EvaluateConfig,
    folder: Path,
    seed: int,
) -> dict[str, Outcome]:
    encoder, settings = contender.build(checkpoint, seed)
    encoder = encoder.to(pick_device(config.device, setting="evaluate.device"))
    cached = CachedEncoder(contender.name, encoder, folder, settings=settings, block=config.block)
    cached.prepare([example for task in tasks for example in task.examples()])
    outcomes: dict[str, Outcome] = {}
    with track(f"probes, {contender.name}", total=len(tasks), unit="tasks") as progress:
        for task in tasks:
            outcomes[task.name] = task.evaluate(cached, seed=seed)
            progress.advance(note=task.name)
    return outcomes

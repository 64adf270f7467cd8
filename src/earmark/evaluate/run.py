"""Run every task on every encoder and write the tables of scores.

The scores also go into the model card of the checkpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from earmark.bootstrap import (
    RESAMPLES_FILE,
    ScoreKey,
    encode_score_key,
    percentile_interval,
    score_key,
)
from earmark.evaluate.base import OK, Comparison, Confusion, Fit, Outcome, Task
from earmark.evaluate.check import check_tasks
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.encoders import EncoderEntry, encoders_to_compare
from earmark.evaluate.features import CachedEncoder
from earmark.evaluate.format import score_table
from earmark.evaluate.joint_space import joint_space_of
from earmark.evaluate.leakage.leak import Leak
from earmark.evaluate.tasks import build_tasks
from earmark.io import replace_file, write_text
from earmark.pretrain.checkpoint.model_card import CARD_FILE, set_probes
from earmark.pretrain.device import pick_device
from earmark.progress import track
from earmark.records import Example, Score
from earmark.tables import write_parquet

PROBE_NOTE = (
    "Linear probes on frozen, time-averaged features; test clips only. Brackets are 95 % bootstrap "
    "intervals, differences are paired, those in bold do not hold zero."
)


def add_scores_to_card(
    folder: Path, scores: Sequence[Score], comparisons: Sequence[Comparison]
) -> bool:
    """Show scores in the card of the checkpoint in `folder`, instead of those it showed before.

    The card alone is rewritten, at once or not at all; nothing that a stage reads changes. Returns
    whether there is a card: a checkpoint of an earlier version has none.
    """
    path = folder / CARD_FILE
    if not path.exists():
        return False
    told = (
        f"{PROBE_NOTE}\n\n{score_table(scores, comparisons)}"
        if scores
        else "No task was asked for."
    )
    write_text(path, set_probes(path.read_text("utf-8"), told))
    return True


def evaluate(
    examples: Sequence[Example],
    checkpoint: Path,
    config: EvaluateConfig,
    folder: Path,
    *,
    seed: int,
    weights_seed: int | None = None,
    cache: Path | None = None,
    contenders: Sequence[EncoderEntry] = (),
) -> dict[str, int]:
    """Run every task on every contender; called again after a kill, it encodes no clip twice.

    Writes scores.parquet (Score), comparisons.parquet (Comparison), fits.parquet (Fit),
    confusion.parquet (Confusion), leaks.parquet (Leak) and resamples.safetensors.

    Args:
        examples: the manifest.
        checkpoint: folder of the pre-trained encoder.
        config: the tasks.
        folder: where to write.
        seed: of the bootstrap and of what probes draw.
        weights_seed: of the random encoder's weights; `seed` where it is left out.
        cache: where features and fingerprints are kept, to be shared by runs; `folder` by default.
        contenders: what is compared, instead of what the settings say; the first is held against
            each other one.

    Returns:
        "in" scores asked for, "out" those with a value, "evaluate: <status>" the others.

    Raises:
        ConfigError: a task asks for what is not there.
        AudioError: a clip of the manifest cannot be read any more.
    """
    check_tasks(config.tasks, [example.labels for example in examples])
    kept = cache or folder
    asked = build_tasks(examples, config, kept)
    encoders = contenders or encoders_to_compare(config)
    first = seed if weights_seed is None else weights_seed
    rows: list[Outcome] = []
    for contender in encoders if asked.tasks else ():
        encoder = _open_encoder(contender, checkpoint, config, kept, first)
        rows += _run_tasks(encoder, asked.tasks, seed)
    _write_tables(rows, asked.leaks, encoders, folder)
    statuses = Counter(row.score.status for row in rows)
    failed = {f"evaluate: {why}": n for why, n in statuses.most_common() if why != OK}
    return {"in": len(rows), "out": statuses[OK], **failed}


def compare(found: Mapping[str, Outcome]) -> list[Comparison]:
    """Return how the first encoder's score differs from each other one's, paired by resample.

    Args:
        found: by encoder, the outcomes of one measure.
    """
    (better, ours), *others = found.items()
    rows: list[Comparison] = []
    for than, theirs in others:
        status = ours.score.status if ours.score.status != OK else theirs.score.status
        paired = ours.resampled - theirs.resampled if status == OK else np.zeros(0)
        low, high = percentile_interval(paired)
        rows.append(
            Comparison(
                task=ours.score.task,
                probe=ours.score.probe,
                shots=ours.score.shots,
                metric=ours.score.metric,
                better=better,
                than=than,
                difference=ours.score.value - theirs.score.value,
                low=low,
                high=high,
                status=status,
            )
        )
    return rows


def _open_encoder(
    contender: EncoderEntry, checkpoint: Path, config: EvaluateConfig, cache: Path, seed: int
) -> CachedEncoder:
    loaded = contender.build(checkpoint, seed)
    encoder = loaded.encoder.to(pick_device(config.device, setting="evaluate.device")).eval()
    return CachedEncoder(
        contender.name,
        encoder,
        cache,
        settings=loaded.settings,
        block=config.cache_block,
        max_frames=config.max_frames,
        aligned=None if loaded.folder is None else joint_space_of(loaded.folder, encoder, cache),
    )


def _run_tasks(encoder: CachedEncoder, tasks: Sequence[Task], seed: int) -> list[Outcome]:
    """Return the outcomes of every task; all clips are encoded in one pass before the first."""
    looked_into = [e for task in tasks if task.needs_frames for e in task.examples()]
    encoder.prepare(looked_into, frames=True)
    encoder.prepare([example for task in tasks for example in task.examples()])
    outcomes: list[Outcome] = []
    with track(f"probes, {encoder.name}", total=len(tasks), unit="tasks") as progress:
        for task in tasks:
            outcomes += task.evaluate(encoder, seed=seed)
            progress.advance(note=task.name)
    return outcomes


def _write_tables(
    rows: Sequence[Outcome], leaks: Sequence[Leak], encoders: Sequence[EncoderEntry], folder: Path
) -> None:
    """Write the tables: by measure, and within one by encoder."""
    found: dict[ScoreKey, dict[str, Outcome]] = {}
    for row in rows:
        found.setdefault(score_key(row.score), {})[row.score.encoder] = row
    ordered = [
        outcomes[each.name]
        for outcomes in found.values()
        for each in encoders
        if each.name in outcomes
    ]
    compared = [pair for outcomes in found.values() for pair in compare(outcomes)]
    write_resamples(folder, ordered)
    write_parquet(folder / "leaks.parquet", leaks, Leak)
    write_parquet(folder / "fits.parquet", [row.fit for row in ordered], Fit)
    confusion = [cell for row in ordered for cell in row.confusion]
    write_parquet(folder / "confusion.parquet", confusion, Confusion)
    write_parquet(folder / "comparisons.parquet", compared, Comparison)
    write_parquet(folder / "scores.parquet", [row.score for row in ordered], Score)


def write_resamples(folder: Path, outcomes: Iterable[Outcome]) -> None:
    """Write the resamples of every outcome that has some."""
    from safetensors.numpy import save

    arrays = {
        encode_score_key(outcome.score.encoder, score_key(outcome.score)): outcome.resampled
        for outcome in outcomes
        if len(outcome.resampled)
    }
    temporary = folder / f"{RESAMPLES_FILE}.tmp"
    temporary.write_bytes(save(arrays))
    replace_file(temporary, folder / RESAMPLES_FILE)

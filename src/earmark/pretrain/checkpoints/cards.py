"""The model cards of a finished run, from its folder and what was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from earmark.pretrain.checkpoint.model_card import Data, Training, write_card
from earmark.pretrain.checkpoints.checkpoint import read_settings
from earmark.pretrain.checkpoints.weights import count_parameters
from earmark.pretrain.config import PretrainConfig
from earmark.records import TOTALS

CHOSEN = {"checkpoint": "last step", "best": "best on the validation split"}


def write_cards(
    folder: Path, data: Data, config: PretrainConfig, counts: Mapping[str, int], *, seed: int
) -> None:
    """Write the card of each checkpoint in a run's folder.

    Args:
        folder: of a finished run.
        data: what was trained on.
        config: how.
        counts: as `pretrain` returned them.
        seed: of the run.
    """
    log = [msgspec.json.decode(line) for line in (folder / "log.jsonl").read_bytes().splitlines()]
    for name, chosen in CHOSEN.items():
        checkpoint = folder / name
        if not checkpoint.exists():
            continue
        step = read_settings(checkpoint).step
        last = [row for row in log if row["split"] == "train" and row["step"] <= step][-1:]
        measured = [row for row in log if row["split"] == "validation" and row["step"] == step]
        training = Training(
            config=config,
            seed=seed,
            parameters=count_parameters(checkpoint / "model.safetensors"),
            objective_parameters=count_parameters(checkpoint / "objective.safetensors"),
            left_out={why: n for why, n in counts.items() if why not in TOTALS},
            **_told(last, "audio_s", "processes"),
            **_told(measured, "selects"),
            validation=_scores(measured),
        )
        write_card(checkpoint, data, training, chosen=chosen)


def _told(rows: list[dict[str, Any]], *names: str) -> dict[str, Any]:
    """Return what the last of the rows says of `names`."""
    return {name: rows[-1][name] for name in names if rows and name in rows[-1]}


def _scores(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the scores of the last of the rows."""
    row = rows[-1] if rows else {}
    return {name: value for name, value in row.items() if isinstance(value, float)}

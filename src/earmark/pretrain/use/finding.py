"""Which checkpoint a path means, and what kind of folder it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from earmark.config import ConfigError
from earmark.workspace import Workspace

CONFIG = "config.json"
STAGE_FOLDERS = ("checkpoint", "best")
"""Where a pretrain stage keeps its models: as training ended, and the best on validation."""


def find_checkpoint(path: Path) -> Path:
    """Return the folder with config.json that `path` means.

    That is `path` itself, the checkpoint of a pretrain stage (its best, before it has finished),
    or that of a workspace's latest run.

    Raises:
        ConfigError: there is none; the message says where it was looked for.
    """
    if not path.is_dir():
        raise ConfigError(f"{path} is not a folder; give a checkpoint, a stage or a workspace.")
    for folder in (path, *(path / name for name in STAGE_FOLDERS)):
        if (folder / CONFIG).exists():
            return folder
    if not (path / "run.json").exists():
        raise ConfigError(
            f"{path} holds neither config.json (a checkpoint), nor checkpoint/ or best/ (a "
            "pretrain stage), nor run.json (a workspace)."
        )
    _, stages = Workspace(path).latest_run()
    if "pretrain" not in stages:
        ran = ", ".join(stages) or "nothing"
        raise ConfigError(f"The latest run of {path} has no pretrain stage (it ran: {ran}).")
    folder = stages["pretrain"].file("checkpoint")
    if not (folder / CONFIG).exists():
        raise ConfigError(
            f"The pre-training of {path} has not finished: there is no {folder}. Run it again; it "
            "goes on from its last state."
        )
    return folder


def model_type_of(folder: Path) -> str:
    """Return the model_type that a published model's config.json names, "" for ours.

    Raises:
        ConfigError: config.json cannot be read, or is neither.
    """
    path = folder / CONFIG
    try:
        plain: Any = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from None
    if isinstance(plain, dict):
        if "format" in plain:
            return ""
        if model_type := plain.get("model_type"):
            return str(model_type)
    raise ConfigError(
        f"{path} names neither a format (a checkpoint of earmark) nor a model_type (a published "
        "Zipformer, or an audio model of transformers)."
    )

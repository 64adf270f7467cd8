"""A checkpoint's folder, read without torch: where it is, its settings, its target specs, its
size.

  config.json            `CheckpointConfig`
  materials.json         the classes, the names of special tokens, statistics of the texts
  tokenizers/0/          the tokenizer of the objective's part 0, where it reads or writes text

`transformers.AutoTokenizer.from_pretrained` reads the tokenizer folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from earmark.config import ConfigError
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.pretrain.objectives.targets import TargetSpecs
from earmark.pretrain.text.config import TokenizerSpec
from earmark.workspace import Workspace

CONFIG_FILE = "config.json"

CHECKPOINT_FOLDERS = ("checkpoint", "best")
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
    for folder in (path, *(path / name for name in CHECKPOINT_FOLDERS)):
        if (folder / CONFIG_FILE).exists():
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
    if not (folder / CONFIG_FILE).exists():
        raise ConfigError(
            f"The pre-training of {path} has not finished: there is no {folder}. Run it again; it "
            "goes on from its last state."
        )
    return folder


def read_model_type(folder: Path) -> str:
    """Return the model_type that a published model's config.json names, "" for ours.

    Raises:
        ConfigError: config.json cannot be read, or is neither.
    """
    path = folder / CONFIG_FILE
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


def count_parameters(path: Path) -> int:
    """Return how many numbers a safetensors file holds, from its header alone."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118


def write_target_specs(materials: TargetSpecs, folder: Path) -> None:
    """Write materials.json, and a folder of word pieces for each part that has some."""
    parts = list(materials.parts)
    for place, part in enumerate(parts):
        if part.words is not None:
            _write_tokenizer(part.words, _tokenizer_folder(folder, place))
            bare = msgspec.structs.replace(part.words, tokenizer="")
            parts[place] = msgspec.structs.replace(part, words=bare)
    written = msgspec.json.encode(TargetSpecs(parts=tuple(parts)))
    (folder / "materials.json").write_bytes(msgspec.json.format(written, indent=1) + b"\n")


def read_target_specs(folder: Path) -> TargetSpecs:
    """Read materials.json and the word pieces.

    Raises:
        ConfigError: a file is missing or damaged.
    """
    path = folder / "materials.json"
    try:
        parts = list(msgspec.json.decode(path.read_bytes(), type=TargetSpecs).parts)
        for place, part in enumerate(parts):
            if part.words is not None:
                path = _tokenizer_folder(folder, place) / "tokenizer.json"
                full = msgspec.structs.replace(part.words, tokenizer=path.read_text("utf-8"))
                parts[place] = msgspec.structs.replace(part, words=full)
    except OSError as error:
        raise ConfigError(f"{folder} is not a whole checkpoint: {path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
    return TargetSpecs(parts=tuple(parts))


def _tokenizer_folder(folder: Path, place: int) -> Path:
    return folder / "tokenizers" / str(place)


def _write_tokenizer(words: TokenizerSpec, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(words.tokenizer, "utf-8")
    special = words.special
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": special.start,
        "cls_token": special.start,
        "eos_token": special.end,
        "sep_token": special.end,
        "pad_token": special.pad,
        "unk_token": special.unknown,
        "mask_token": special.mask,
    }
    written = msgspec.json.format(msgspec.json.encode(settings), indent=1)
    (folder / "tokenizer_config.json").write_bytes(written + b"\n")


CHECKPOINT_FORMAT = 2


class CheckpointConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What config.json says: how to build the modules, and what they were trained for.

    `step` counts the optimizer steps taken, `vocabulary` is a fingerprint, `earmark` the version
    that wrote the folder, `format` the version of this layout.
    """

    format: int
    earmark: str
    step: int
    sample_rate: int
    vocabulary: str
    encoder: EncoderConfig
    objective: ObjectiveConfig


def read_checkpoint_config(folder: Path) -> CheckpointConfig:
    """Read config.json.

    Raises:
        ConfigError: there is none, or this version of earmark cannot read it.
    """
    path = folder / "config.json"
    try:
        plain = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{folder} is not a checkpoint: {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
    written = plain.get("format") if isinstance(plain, dict) else None
    if written != CHECKPOINT_FORMAT:
        raise ConfigError(
            f"{path} has format {written!r}; this version of earmark reads {CHECKPOINT_FORMAT}. "
            "Load it with the version of earmark that wrote it."
        )
    try:
        return msgspec.convert(plain, CheckpointConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path} does not describe a checkpoint: {error}") from None

"""Which model this is: a folder's contents, read quickly even where they are 60 GB."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from earmark.config import ConfigError, nearest

READ_WHOLE = frozenset({".json", ".jinja", ".txt", ".model", ".tiktoken"})
"""Settings, tokenizer, chat template. Notes, pictures and weights in other forms are not read."""

BLOCK_BYTES = 4096
BLOCKS = 256

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def identity(model: str) -> str:
    """Return what tells this model from others: a folder's digest, or a hub name as it is.

    Of each weight file the digest covers the size, the safetensors header (names, types, shapes)
    and `BLOCKS` evenly spaced blocks of the data, since two trainings of one model differ in
    nothing else. Training changes weights all over; a few numbers edited by hand can go unseen.

    Raises:
        ConfigError: there is no such folder and the hub has no such names, or the folder lacks a
            config.json or safetensors weights.
    """
    folder = Path(model)
    if not folder.is_dir():
        _check_name(model)
        return model
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        raise ConfigError(
            f"model = {model!r}: a folder written by save_pretrained was expected, with "
            f"config.json and *.safetensors in it. {_other_weights(folder)}"
        )
    digest = hashlib.sha256()
    settings = [file for file in folder.iterdir() if file.suffix in READ_WHOLE]
    for file in sorted(settings):
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    for file in weights:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        for piece in _sample(file):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def _sample(path: Path) -> Iterator[bytes]:
    """Read a safetensors file's header and blocks of its data.

    The format: 8 bytes with the header's length, little-endian, the header in JSON, the data
    (https://github.com/huggingface/safetensors#format).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        data_start = 8 + int.from_bytes(file.read(8), "little")
        if data_start > size:
            raise ConfigError(f"{path} is cut short or is no safetensors file; copy it again")
        yield file.read(data_start - 8)
        for block in range(BLOCKS):
            file.seek(data_start + (size - data_start) * block // BLOCKS)
            yield file.read(BLOCK_BYTES)


def _check_name(model: str) -> None:
    if _HUB_NAME.fullmatch(model) and not model.startswith("."):
        return
    folder = Path(model)
    siblings = [str(near) for near in folder.parent.glob("*/") if near.is_dir()]
    raise ConfigError(
        f"model = {model!r}: there is no such folder, and names on the hub look like "
        f"Qwen/Qwen2.5-7B-Instruct.{nearest(model, siblings)}"
    )


def _other_weights(folder: Path) -> str:
    if any(folder.glob("*.bin")):
        return "The weights there are pickles (.bin), which can run code: convert them first."
    held = sorted(file.name for file in folder.iterdir())[:10]
    return f"It holds: {', '.join(held)}." if held else "It is empty."

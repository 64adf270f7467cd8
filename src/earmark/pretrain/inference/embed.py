"""Vectors of files on the disk: an array, and beside it what its rows are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float32

from earmark.config import ConfigError
from earmark.pretrain.use.decoding import Undecoded


class LostRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file without a vector; `reason` is a short fixed word, `detail` is for people."""

    file: str
    reason: str
    detail: str


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON file beside the array holds: the files of its rows, in order, and the lost."""

    files: tuple[str, ...]
    lost: tuple[LostRow, ...]


def names_path(out: Path) -> Path:
    """Return where the names of an array's rows are: vectors.json of vectors.npy.

    Raises:
        ConfigError: `out` does not end in .npy, or its folder is not there.
    """
    if out.suffix != ".npy":
        raise ConfigError(f"--out {out} should end in .npy, such as {out.with_suffix('.npy')}.")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}. Make it first.")
    return out.with_suffix(".json")


def write_vectors(
    out: Path,
    files: Sequence[Path],
    vectors: Float32[np.ndarray, "files dim"],
    lost: Sequence[Undecoded],
) -> None:
    """Write an array [files, dim] and the names of its rows (`Names`), each whole or not at all.

    Raises:
        ConfigError: as `names_path`.
    """
    rows = tuple(
        LostRow(file=str(each.file), reason=each.reason, detail=each.detail) for each in lost
    )
    names = Names(files=tuple(map(str, files)), lost=rows)
    beside = names_path(out)
    parts = [path.with_name(f"{path.name}.{os.getpid()}.tmp") for path in (out, beside)]
    try:
        with open(parts[0], "wb") as stream:
            np.save(stream, vectors)
        parts[1].write_bytes(msgspec.json.format(msgspec.json.encode(names), indent=2) + b"\n")
        os.replace(parts[0], out)
        os.replace(parts[1], beside)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)

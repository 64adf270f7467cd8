"""Parts of a cache: arrays by clip id, some hundred clips a file, each file whole or not there."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from earmark.records import publish

DIGITS = 16


def write_part(folder: Path, kind: str, rows: Mapping[str, np.ndarray]) -> None:
    """Write arrays [rows, dim] of equal dim, by clip id, as `<kind>-<digest>.safetensors`.

    Two processes that write the same part each leave a whole one.
    """
    from safetensors.numpy import save

    names = list(rows)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:DIGITS]
    counts = np.array([len(each) for each in rows.values()], np.int64)
    metadata = {"ids": msgspec.json.encode(names).decode()}
    values = np.concatenate(list(rows.values()))
    temporary = folder / f"{digest}.{socket.gethostname()}-{os.getpid()}.tmp"
    temporary.write_bytes(save({"values": values, "counts": counts}, metadata))
    publish(temporary, folder / f"{kind}-{digest}.safetensors")


def read_part(path: Path) -> dict[str, np.ndarray]:
    """Return what `write_part` wrote."""
    from safetensors import safe_open

    with safe_open(path, "np") as part:
        names = msgspec.json.decode(part.metadata()["ids"], type=list[str])
        values, counts = part.get_tensor("values"), part.get_tensor("counts")
    return dict(zip(names, np.split(values, np.cumsum(counts)[:-1]), strict=True))

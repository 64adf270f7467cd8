"""Pooled features of a frozen encoder, computed once a clip and kept on disk.

A cache is a folder named by the encoder's fingerprint: its weights, its class and its settings.
Other weights, another folder; so a cache never needs to be emptied by hand. In it, parts of some
hundred clips, each written whole or not at all: a killed run goes on with the clips that no part
has.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from jaxtyping import Float32

from earmark.evaluate.base import FrozenEncoder
from earmark.pretrain.encoders.base import Encoder
from earmark.progress import track
from earmark.records import Example, span_of

FINGERPRINT_DIGITS = 16


def encoder_fingerprint(encoder: Encoder, settings: bytes) -> str:
    """Return hex digits of SHA-256 over an encoder's class, settings and state.

    Args:
        encoder: its parameters and buffers are read, in the order of their names.
        settings: whatever else decides what it computes, such as its config as JSON.
    """
    kind = type(encoder)
    digest = hashlib.sha256(f"{kind.__module__}.{kind.__qualname__}".encode())
    digest.update(settings)
    for name, value in sorted(encoder.state_dict().items()):
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:FINGERPRINT_DIGITS]


class CachedEncoder(FrozenEncoder):
    """An encoder with its cache.

    Args:
        name: in scores.
        encoder: is put into evaluation mode.
        folder: where the cache's own folder is.
        settings: as of `encoder_fingerprint`.
        block: clips in a part.
    """

    def __init__(
        self, name: str, encoder: Encoder, folder: Path, *, settings: bytes, block: int
    ) -> None:
        self.name = name
        self.folder = folder / f"features-{encoder_fingerprint(encoder, settings)}"
        self._encoder = encoder.eval()
        self._block = block
        self._vectors: dict[str, Float32[np.ndarray, " dim"]] = {}
        for part in sorted(self.folder.glob("*.safetensors")):
            self._vectors.update(_read_part(part))

    def pooled(self, examples: Sequence[Example]) -> Float32[np.ndarray, "clips dim"]:
        """Return the features of clips, encoding those that are not in the cache.

        Raises:
            AudioError: a clip cannot be read any more; what was encoded before it is kept.
        """
        self.prepare(examples)
        if not examples:
            return np.zeros((0, self._encoder.dim), np.float32)
        return np.stack([self._vectors[example.id] for example in examples])

    def prepare(self, examples: Sequence[Example]) -> None:
        """Encode the clips that are not in the cache, a block at a time. Raises as `pooled`."""
        missing = {e.id: e for e in examples if e.id not in self._vectors}
        if not missing:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # Clips of one length together: little padding.
        ordered = sorted(missing.values(), key=lambda example: (example.duration_s, example.id))
        with track(f"features, {self.name}", total=len(ordered)) as progress:
            for start in range(0, len(ordered), self._block):
                block = ordered[start : start + self._block]
                features = self._encoder.embed([span_of(example) for example in block])
                vectors = {e.id: row for e, row in zip(block, features, strict=True)}
                _write_part(self.folder, vectors)
                self._vectors.update(vectors)
                progress.advance(len(block))


def _write_part(folder: Path, vectors: dict[str, Float32[np.ndarray, " dim"]]) -> None:
    from safetensors.numpy import save

    names = list(vectors)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:FINGERPRINT_DIGITS]
    metadata = {"ids": msgspec.json.encode(names).decode()}
    data = save({"features": np.stack(list(vectors.values()))}, metadata)
    temporary = folder / f"{digest}.tmp"
    with open(temporary, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, folder / f"{digest}.safetensors")


def _read_part(path: Path) -> dict[str, Float32[np.ndarray, " dim"]]:
    from safetensors import safe_open

    with safe_open(path, "np") as part:
        names = msgspec.json.decode(part.metadata()["ids"], type=list[str])
        return dict(zip(names, part.get_tensor("features"), strict=True))

"""What a frozen encoder makes of clips, computed once a clip and kept on disk.

A cache is a folder named by the encoder's fingerprint: its weights, its class, its settings and its
front end. Other weights, another folder; so a cache never needs to be emptied by hand, and every
run that meets the same encoder shares it. In it, parts of some hundred clips, each written whole or
not at all: a killed run goes on with the clips that no part has. A part is read where a clip of it
is asked for, and only such clips are held in memory, their frames in half precision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float16, Float32
from torch import nn

from earmark.evaluate.array_cache import ArrayCache
from earmark.evaluate.base import Frames, FrozenEncoder, JointSpace
from earmark.pretrain.encoders.base import Encoder
from earmark.progress import track
from earmark.records import Example, audio_span

FINGERPRINT_DIGITS = 16

FORMAT = "features-1"
"""What is cached; another number wherever the code makes other values of equal encoders."""

PooledVectors = Float32[np.ndarray, "clips dim"]


def encoder_fingerprint(encoder: Encoder, settings: bytes) -> str:
    """Return hex digits of SHA-256 over an encoder's class, settings and state.

    Args:
        encoder: as of `module_fingerprint`.
        settings: whatever else decides what it computes, such as its config as JSON.
    """
    return module_fingerprint(encoder, settings)


def module_fingerprint(module: nn.Module, settings: bytes) -> str:
    """Return hex digits of SHA-256 over a module's class, `settings` and state, and `FORMAT`.

    State is all parameters and buffers, in the order of their names: also buffers that checkpoints
    leave out, such as windows and mel filters.
    """
    kind = type(module)
    digest = hashlib.sha256(f"{FORMAT} {kind.__module__}.{kind.__qualname__}".encode())
    digest.update(settings)
    state = chain(
        module.named_parameters(remove_duplicate=False),
        module.named_buffers(remove_duplicate=False),
    )
    for name, value in sorted(state, key=lambda item: item[0]):
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
        max_frames: of a clip that are kept where frames are.
        aligned: the space that it shares with texts, if it has one.
    """

    def __init__(
        self,
        name: str,
        encoder: Encoder,
        folder: Path,
        *,
        settings: bytes,
        block: int,
        max_frames: int = 64,
        aligned: JointSpace | None = None,
    ) -> None:
        self.name = name
        self.aligned = aligned
        self.folder = folder / f"features-{encoder_fingerprint(encoder, settings)}"
        self._encoder = encoder.eval()
        self._block = block
        self._max_frames = max_frames
        self._vectors = ArrayCache(self.folder, "pooled")
        self._frames = ArrayCache(self.folder, f"frames{max_frames}")

    def pooled(self, examples: Sequence[Example]) -> PooledVectors:
        """Return the features of clips, encoding those that are not in the cache.

        Raises:
            AudioError: a clip cannot be read any more; what was encoded before it is kept.
        """
        self.prepare(examples)
        if not examples:
            return np.zeros((0, self._encoder.dim), np.float32)
        return np.concatenate([self._vectors[example.id] for example in examples])

    def frames(self, examples: Sequence[Example]) -> Frames:
        """Return the frames of clips. Raises as `pooled`."""
        self.prepare(examples, frames=True)
        found = [self._frames[example.id] for example in examples]
        longest = max((len(rows) for rows in found), default=1)
        values = np.zeros((len(found), longest, self._encoder.dim), np.float32)
        mask: Bool[np.ndarray, "clips frames"] = np.zeros(values.shape[:2], bool)
        for place, rows in enumerate(found):
            values[place, : len(rows)] = rows
            mask[place, : len(rows)] = True
        return Frames(values, mask)

    def prepare(self, examples: Sequence[Example], *, frames: bool = False) -> None:
        """Encode the clips that are not in the cache, a block at a time. Raises as `pooled`.

        With `frames` these are kept too, from the same pass.
        """
        by_id = {example.id: example for example in examples}
        missing = (self._frames if frames else self._vectors).find(by_id)
        if not missing:
            return
        # Clips of one length together: little padding.
        ordered = sorted((by_id[name] for name in missing), key=lambda e: (e.duration_s, e.id))
        with track(f"features, {self.name}", total=len(ordered)) as progress:
            for start in range(0, len(ordered), self._block):
                self._encode(ordered[start : start + self._block], frames)
                progress.advance(min(self._block, len(ordered) - start))

    def _encode(self, block: Sequence[Example], frames: bool) -> None:
        vectors: dict[str, np.ndarray] = {}
        kept: dict[str, np.ndarray] = {}
        for places, encoded in self._encoder.encode([audio_span(example) for example in block]):
            pooled = encoded.pooled().cpu().numpy()
            for row, place in enumerate(places):
                vectors[block[place].id] = pooled[row : row + 1]
                if frames:
                    real = encoded.frames[row][encoded.mask[row]].float().cpu().numpy()
                    kept[block[place].id] = downsample_frames(real, self._max_frames)
        ordered = {example.id: vectors[example.id] for example in block}
        self._vectors.add(ordered)
        if frames:
            self._frames.add(kept)


def downsample_frames(
    frames: Float32[np.ndarray, "frames dim"], most: int
) -> Float16[np.ndarray, "fewer dim"]:
    """Return at most so many frames: means of neighbours in groups of nearly equal size.

    Values beyond float16's range become its largest; what is not finite stays so.
    """
    if len(frames) > most:
        starts = np.linspace(0, len(frames), most, endpoint=False).astype(int)
        sizes = np.diff(np.append(starts, len(frames)))
        frames = np.add.reduceat(frames, starts, axis=0) / sizes[:, None].astype(np.float32)
    limit = float(np.finfo(np.float16).max)
    return np.clip(frames, -limit, limit).astype(np.float16)

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from earmark.evaluate.language.alignment import ContrastiveSpace
from earmark.pretrain.encoders.base import Encoded
from earmark.records import Example


class Counting:
    """Gives each sound the frame of its number, and counts how often it is asked."""

    heard = 0

    def encode(self, sounds: Sequence[Any]) -> Iterator[tuple[list[int], Encoded]]:
        for place in reversed(range(len(sounds))):
            self.heard += 1
            frames = torch.full((1, 1, 2), float(sounds[place].path))
            yield [place], Encoded(frames, torch.ones(1, 1, dtype=torch.bool))


def clip(number: int) -> Example:
    texts = {"caption": "", "summary": ""}
    rest = {"tags": (), "tag_ids": (), "labels": {}, "recording": None, "speaker": None}
    return Example(
        id=str(number), path=str(number), name="", duration_s=1.0, split="test", **texts, **rest
    )


def test_clips_keep_their_places_and_are_heard_once() -> None:
    encoder: Any = Counting()
    objective = SimpleNamespace(config=SimpleNamespace(dim=2), embed_audio=lambda e: e.pooled())
    space = ContrastiveSpace(encoder, objective)
    assert space.audio([clip(3), clip(5)])[:, 0].tolist() == [3, 5]
    assert space.audio([clip(5), clip(4), clip(3)])[:, 0].tolist() == [5, 4, 3]
    assert encoder.heard == 3
    assert np.shape(space.audio([])) == (0, 2)

"""Clips with tags and texts, and frames for them, without sound."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from earmark.pretrain.encoders.base import Encoded
from earmark.records import Example
from factories import new_example

torch.set_num_threads(1)


@pytest.fixture
def told() -> Callable[..., list[Example]]:
    """Return a function: (summary, ...) -> examples; the first word of each is its tag."""

    def tell(*summaries: str, original: tuple[str, ...] = ()) -> list[Example]:
        return [
            new_example(
                id=f"clip-{number}",
                path=f"{number}.wav",
                name=f"{number}.wav",
                tags=(summary.split()[0],),
                tag_ids=(0,),
                caption=f"{summary} It is loud.",
                summary=summary,
                original_captions=original,
            )
            for number, summary in enumerate(summaries)
        ]

    return tell


@pytest.fixture
def frames() -> Callable[..., Encoded]:
    """Return a function: (clips, dim) -> frames of unequal counts."""

    def draw(clips: int, dim: int = 8) -> Encoded:
        generator = torch.Generator().manual_seed(clips)
        mask = torch.arange(6) < (2 + torch.arange(clips) % 5).unsqueeze(1)
        return Encoded(torch.randn(clips, 6, dim, generator=generator), mask)

    return draw

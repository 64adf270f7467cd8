import numpy as np
import pytest

from earmark.records import Example
from factories import new_example
from precomputed import Precomputed


def clips(count: int) -> list[Example]:
    return [
        new_example(id=f"clip-{number}", name=f"{number}.wav", split="test", recording="")
        for number in range(count)
    ]


def test_frames_of_several_lengths_are_padded_behind() -> None:
    rows = {f"clip-{n}": np.full((n + 1, 2), n + 1, np.float32) for n in range(3)}
    frames = Precomputed("rows", {}, rows).frames(clips(3))
    assert frames.mask.tolist() == [[True, False, False], [True, True, False], [True] * 3]
    assert frames.values[:, :, 0].tolist() == [[1, 0, 0], [2, 2, 0], [3, 3, 3]]


def test_without_frames_a_vector_is_the_only_one() -> None:
    encoder = Precomputed("vectors", {f"clip-{n}": np.ones(4, np.float32) * n for n in range(3)})
    frames = encoder.frames(clips(3))
    assert np.array_equal(frames.values[:, 0], encoder.pooled(clips(3)))
    assert frames.mask.shape == (3, 1)
    assert frames.mask.all()


def test_a_clip_that_is_not_there_is_named() -> None:
    known = {"clip-0": np.ones((1, 2), np.float32)}
    with pytest.raises(ValueError, match=r"frames of 1 clips, none of them clip-1 \(1.wav\)"):
        Precomputed("few", {}, known).frames(clips(2))
    with pytest.raises(ValueError, match="vectors of 0 clips"):
        Precomputed("few", {}, known).pooled(clips(1))

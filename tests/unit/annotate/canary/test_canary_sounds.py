from __future__ import annotations

from pathlib import Path

import captioner_fakes as fakes
import numpy as np
import pytest
import soundfile

from earmark.annotate.canary.probes import PROBE_SOUNDS, TOO_LONG, write_probe_sounds


def test_sounds_are_the_same_twice(tmp_path: Path) -> None:
    first = write_probe_sounds(tmp_path / "a", 4.0, ())
    second = write_probe_sounds(tmp_path / "b", 4.0, ())
    for name in (*PROBE_SOUNDS, TOO_LONG):
        one, other = (soundfile.read(prompts[name].audio)[0] for prompts in (first, second))
        np.testing.assert_array_equal(one, other)


def test_sounds_are_of_their_lengths(tmp_path: Path) -> None:
    prompts = write_probe_sounds(tmp_path, 10.0001, ())
    for prompt in prompts.values():
        info = soundfile.info(prompt.audio)
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert info.duration == prompt.duration_s
    lengths = {name: prompt.duration_s for name, prompt in prompts.items()}
    assert lengths["short"] == 2.0
    assert 9.99 < lengths["long"] <= 10.0001
    assert 14.99 < lengths[TOO_LONG] < 15.001
    assert lengths["silence"] == lengths["one"] == lengths["noise"] == lengths["other"] == 5.0


@pytest.mark.parametrize("limit_s", [2.0, 30.0])
def test_sounds_differ_in_kind_and_none_clips(limit_s: float, tmp_path: Path) -> None:
    prompts = write_probe_sounds(tmp_path, limit_s, ())
    assert {fakes.kind_of(prompts[name]) for name in PROBE_SOUNDS} == set(fakes.KINDS)
    for prompt in prompts.values():
        assert np.abs(soundfile.read(prompt.audio)[0]).max() < 1.0

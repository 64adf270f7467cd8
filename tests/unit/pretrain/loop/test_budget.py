from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from earmark.config import ConfigError
from earmark.pretrain.config import PretrainConfig, result_settings
from earmark.pretrain.loop.data import apply_audio_budget, build_sampler
from earmark.records import Example

CONFIG = PretrainConfig(audio_s=300.0, batch_s=20.0, max_clip_s=5.0, steps=7)


@pytest.fixture
def clips(make_examples: Callable[..., list[Example]]) -> list[Example]:
    return [
        msgspec.structs.replace(clip, duration_s=1.0 + place % 7)
        for place, clip in enumerate(make_examples(60))
    ]


def audio_s(clips: list[Example], config: PretrainConfig, steps: int) -> float:
    order = build_sampler(clips, config, seed=0)
    places = [place for step in range(steps) for place in order(step)]
    return sum(min(clips[place].duration_s, config.max_clip_s) for place in places)


def test_steps_are_as_many_as_the_audio_is(clips: list[Example]) -> None:
    steps = apply_audio_budget(CONFIG, clips, processes=1, seed=0).steps
    assert audio_s(clips, CONFIG, steps) == pytest.approx(300.0, abs=20.0)


def test_steps_of_several_batches_are_fewer(clips: list[Example]) -> None:
    one = apply_audio_budget(CONFIG, clips, processes=1, seed=0).steps
    four = msgspec.structs.replace(CONFIG, accumulate=2)
    assert apply_audio_budget(four, clips, processes=2, seed=0).steps == pytest.approx(
        one / 4, abs=1
    )


def test_the_shortest_run_takes_one_step(clips: list[Example]) -> None:
    little = msgspec.structs.replace(CONFIG, audio_s=0.1)
    assert apply_audio_budget(little, clips, processes=1, seed=0).steps == 1


def test_without_a_budget_steps_are_as_they_were(clips: list[Example]) -> None:
    config = msgspec.structs.replace(CONFIG, audio_s=0.0)
    assert apply_audio_budget(config, clips, processes=1, seed=0) == config


def test_under_a_budget_steps_shape_nothing() -> None:
    other = msgspec.structs.replace(CONFIG, steps=9)
    assert result_settings(CONFIG) == result_settings(other)
    assert result_settings(msgspec.structs.replace(CONFIG, audio_s=0.0)) != result_settings(
        msgspec.structs.replace(other, audio_s=0.0)
    )


@pytest.mark.parametrize(("key", "value"), [("audio_s", -1.0), ("train_share", 0.0)])
def test_numbers_that_make_no_run_are_refused(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=key):
        PretrainConfig(**{key: value})  # pyright: ignore[reportArgumentType]

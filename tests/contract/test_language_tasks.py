"""What holds of tasks on texts: they measure what features know, and chance where nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import msgspec
import numpy as np
import pytest
import torch

from earmark.evaluate.base import Frames, FrozenEncoder, JointSpace, Outcome, Task
from earmark.evaluate.config import CaptioningTaskConfig, EvaluateConfig, RetrievalTaskConfig
from earmark.evaluate.tasks import language_tasks
from earmark.records import Example
from factories import new_example

pytest.importorskip("transformers")

PLACES = ("indoors", "outdoors", "upstairs", "underground")
SOURCES = ("dog", "bell", "engine", "violin", "crowd", "river")
MANNERS = ("softly", "loudly", "slowly", "twice", "afar")
WORDS = (*PLACES, *SOURCES, *MANNERS)
CLIPS = 420

CONFIG = EvaluateConfig(
    retrieval=(RetrievalTaskConfig(steps=100, lr=5e-3),),
    captioning=(CaptioningTaskConfig(steps=80, lr=4e-3, max_tokens=12),),
    bootstrap=50,
    device="cpu",
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def corpus(seed: int = 0) -> list[Example]:
    rng = np.random.default_rng(seed)
    sides = np.repeat(["train", "validation", "test"], [CLIPS - 120, 60, 60])
    return [
        example(
            number,
            str(side),
            f"A {rng.choice(SOURCES)} sounds {rng.choice(MANNERS)} {rng.choice(PLACES)}.",
        )
        for number, side in enumerate(sides)
    ]


def example(number: int, side: str, *texts: str) -> Example:
    return new_example(
        id=f"clip-{number}",
        name=f"{number}.wav",
        split=side,
        recording=f"recording-{number // 2}",
        original_captions=texts,
    )


EXAMPLES = corpus()


def held(text: str) -> np.ndarray:
    """Which of `WORDS` a text holds."""
    spoken = text.lower().rstrip(".").split()
    return np.array([word in spoken for word in WORDS], dtype=np.float32) / np.float32(3**0.5)


@dataclass
class Space(JointSpace):
    """Clips and texts by the words that they hold."""

    heard: dict[str, str]
    broken: Collection[str] = ()

    def audio(self, examples: Sequence[Example]) -> np.ndarray:
        found = np.stack([held(self.heard[clip.id]) for clip in examples])
        found[[clip.id in self.broken for clip in examples]] = np.nan
        return found

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([held(text) for text in texts])


class Hearing(FrozenEncoder):
    """An encoder of clips that sound as `heard` says, through a random linear map, with noise."""

    def __init__(
        self,
        name: str,
        heard: dict[str, str],
        noise: float = 0.02,
        broken: Collection[str] = (),
    ) -> None:
        self.name = name
        self.aligned = Space(heard, broken)
        self._broken = broken
        self._noise = noise
        self._heard = heard
        self._map = np.random.default_rng(1).normal(size=(len(WORDS), 24)).astype(np.float32)

    def pooled(self, examples: Sequence[Example]) -> np.ndarray:
        return np.stack([self._frames(clip).mean(axis=0) for clip in examples])

    def frames(self, examples: Sequence[Example]) -> Frames:
        values = np.stack([self._frames(clip) for clip in examples])
        return Frames(values, np.ones(values.shape[:2], dtype=bool))

    def _frames(self, clip: Example) -> np.ndarray:
        rng = np.random.default_rng(int(clip.id.removeprefix("clip-")))
        clean = np.tile(held(self._heard[clip.id]) @ self._map, (3, 1))
        noisy = (clean + self._noise * rng.normal(size=clean.shape)).astype(np.float32)
        return noisy * np.float32("nan") if clip.id in self._broken else noisy


def telling(broken: Collection[str] = ()) -> Hearing:
    heard = {clip.id: clip.original_captions[0] for clip in EXAMPLES}
    return Hearing("telling", heard, broken=broken)


def mistaken() -> Hearing:
    return Hearing("mistaken", mistaken_texts())


def mistaken_texts() -> dict[str, str]:
    """Each clip sounds like another one."""
    others = np.random.default_rng(5).permutation(CLIPS)
    return {
        clip.id: EXAMPLES[other].original_captions[0]
        for clip, other in zip(EXAMPLES, others, strict=True)
    }


@cache
def written(encoder: Literal["telling", "mistaken"]) -> Sequence[Outcome]:
    """What a decoder scores; trained once for all tests."""
    hearing = telling() if encoder == "telling" else mistaken()
    return task_of("captioning").evaluate(hearing, seed=0)


HASTY = msgspec.structs.replace(
    CONFIG,
    retrieval=(RetrievalTaskConfig(steps=10),),
    captioning=(CaptioningTaskConfig(steps=6, max_tokens=12),),
)
"""Too little training to learn anything."""

Probe = Literal["zero-shot", "lit", "captioning"]


def task_of(
    probe: Probe, config: EvaluateConfig = CONFIG, examples: Sequence[Example] = EXAMPLES
) -> Task:
    retrieval, lit, captioning = language_tasks(examples, config)
    return {"zero-shot": retrieval, "lit": lit, "captioning": captioning}[probe]


def by_metric(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    return {outcome.score.metric: outcome for outcome in outcomes}


@pytest.fixture(params=["zero-shot", "lit", "captioning"])
def probe(request: pytest.FixtureRequest) -> Probe:
    return request.param


@pytest.mark.parametrize("probe", ["zero-shot", "lit"])
def test_vectors_that_tell_the_text_find_it(probe: Probe) -> None:
    found = by_metric(task_of(probe).evaluate(telling(), seed=0))
    assert len(found) == 10
    for way in ("audio_to_text", "text_to_audio"):
        assert found[f"{way}_recall_at_1"].score.value > 0.9
        assert found[f"{way}_recall_at_10"].score.value == pytest.approx(1.0, abs=0.02)
        assert found[f"{way}_map_at_10"].score.value > 0.9
        assert found[f"{way}_median_rank"].score.value == 1
    for outcome in found.values():
        assert (outcome.score.status, outcome.score.probe) == ("ok", probe)
        assert outcome.score.low <= outcome.score.value <= outcome.score.high
        assert outcome.score.classes > 40


@pytest.mark.parametrize("probe", ["zero-shot", "lit"])
def test_vectors_of_other_clips_find_as_much_as_chance(probe: Probe) -> None:
    for outcome in task_of(probe).evaluate(mistaken(), seed=0):
        score = outcome.score
        slack = 12 if score.metric.endswith("median_rank") else 0.08
        assert score.low - slack < score.chance < score.high + slack


def test_an_encoder_that_has_learnt_no_texts_is_a_status() -> None:
    deaf = telling()
    deaf.aligned = None
    outcomes = task_of("zero-shot").evaluate(deaf, seed=0)
    assert {outcome.score.status for outcome in outcomes} == {"has learnt no texts"}
    assert len(outcomes) == 10


@pytest.mark.slow
def test_frames_that_tell_the_words_are_written_down() -> None:
    heard = by_metric(written("telling"))
    misheard = by_metric(written("mistaken"))
    for metric in ("bleu_1", "rouge_l", "meteor_like", "cider_d"):
        score, other = heard[metric].score, misheard[metric].score
        assert score.status == "ok"
        assert score.low > score.chance
        assert score.low > other.high
        slack = 0.5 if metric == "cider_d" else 0.1
        assert other.low - slack < other.chance < other.high + slack


def test_equal_seeds_give_equal_rows(probe: Probe) -> None:
    task, encoder = task_of(probe, HASTY), mistaken()
    torch.manual_seed(3)
    first = task.evaluate(encoder, seed=4)
    torch.manual_seed(9)
    again = task.evaluate(encoder, seed=4)
    assert [outcome.score for outcome in first] == [outcome.score for outcome in again]
    assert repr([o.fit for o in first]) == repr([o.fit for o in again])
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.resampled, other.resampled)


@pytest.mark.parametrize("probe", ["lit", "captioning"])
def test_texts_of_test_choose_nothing(probe: Probe) -> None:
    lies = [
        msgspec.structs.replace(clip, original_captions=("Silence.", f"Nothing {place}."))
        if clip.split == "test"
        else clip
        for place, clip in enumerate(EXAMPLES)
    ]
    honest = task_of(probe, HASTY).evaluate(telling(), seed=0)[0]
    deceived = task_of(probe, HASTY, lies).evaluate(telling(), seed=0)[0]
    assert honest.score != deceived.score
    assert honest.fit == deceived.fit


@pytest.mark.parametrize("probe", ["lit", "captioning"])
def test_features_of_test_choose_nothing(probe: Probe) -> None:
    otherwise = {
        clip.id: EXAMPLES[place - 1].original_captions[0]
        if clip.split == "test"
        else clip.original_captions[0]
        for place, clip in enumerate(EXAMPLES)
    }
    task = task_of(probe, HASTY)
    first = task.evaluate(telling(), seed=0)
    changed = task.evaluate(Hearing("telling", otherwise), seed=0)
    assert [o.fit for o in first] == [o.fit for o in changed]
    if probe == "lit":
        assert [o.score.value for o in first] != [o.score.value for o in changed]


@pytest.mark.parametrize(
    ("examples", "status"),
    [
        ([], "no test clips with a text"),
        ([example(0, "test", "One."), example(1, "test", "One.")], "one text in test"),
        ([example(0, "test", "One.", "Two.")], "one test clip with a text"),
    ],
)
def test_too_few_texts_are_a_status(probe: Probe, examples: list[Example], status: str) -> None:
    sides = [
        example(10 * place + number, side, f"Text {number}.")
        for place, side in enumerate(("train", "validation"), start=1)
        for number in range(3)
    ]
    task = task_of(probe, examples=[*sides, *examples])
    outcomes = task.evaluate(telling(), seed=0)
    assert {outcome.score.status for outcome in outcomes} == {status}
    assert len(outcomes) == len(task_of(probe, examples=EXAMPLES).evaluate(deaf(), seed=0))
    assert task.examples() == ()


def deaf() -> Hearing:
    """Its frames are not finite."""
    return Hearing("deaf", {clip.id: clip.original_captions[0] for clip in EXAMPLES}, np.nan)


@pytest.mark.parametrize("probe", ["lit", "captioning"])
def test_features_that_are_not_finite_are_a_status(probe: Probe) -> None:
    outcomes = task_of(probe).evaluate(deaf(), seed=0)
    assert {outcome.score.status for outcome in outcomes} == {"features not finite"}
    assert all(len(outcome.resampled) == 0 for outcome in outcomes)


@pytest.mark.parametrize("side", ["validation", "test"])
@pytest.mark.parametrize("broken", [1, 30])
def test_clips_that_are_not_finite_are_a_status_on_every_side(
    probe: Probe, side: str, broken: int
) -> None:
    if (probe, side) == ("zero-shot", "validation"):
        return
    clips = [clip.id for clip in EXAMPLES if clip.split == side][-broken:]
    outcomes = task_of(probe, HASTY).evaluate(telling(clips), seed=0)
    assert {outcome.score.status for outcome in outcomes} == {"features not finite"}


def test_every_encoder_is_scored_on_the_same_resamples(probe: Probe) -> None:
    ours, theirs = (
        task_of(probe, HASTY).evaluate(Hearing(name, mistaken_texts()), seed=0)
        for name in ("one", "another")
    )
    for one, two in zip(ours, theirs, strict=True):
        assert len(one.resampled) == HASTY.bootstrap
        assert np.array_equal(one.resampled, two.resampled)
        assert one.score.clips == two.score.clips != ""
    assert any(outcome.resampled.std() > 0 for outcome in ours)


def test_few_recordings_have_values_without_an_interval(probe: Probe) -> None:
    few = [
        msgspec.structs.replace(clip, recording=f"tape {place % 4}")
        if clip.split == "test"
        else clip
        for place, clip in enumerate(EXAMPLES)
    ]
    for outcome in task_of(probe, HASTY, few).evaluate(telling(), seed=0):
        assert outcome.score.status == "ok"
        assert np.isfinite(outcome.score.value)
        assert np.isnan([outcome.score.low, outcome.score.high]).all()
        assert np.isnan(outcome.resampled).all()
        assert len(outcome.resampled) == HASTY.bootstrap


def test_scores_of_other_clips_are_told_apart(probe: Probe) -> None:
    fewer = [clip for clip in EXAMPLES if clip != EXAMPLES[-1]]
    reworded = [
        msgspec.structs.replace(clip, original_captions=("A dog sounds.",))
        if clip == EXAMPLES[-1]
        else clip
        for clip in EXAMPLES
    ]
    untrained = EXAMPLES[1:]
    digests = [
        task_of(probe, HASTY, clips).evaluate(deaf(), seed=0)[0].score.clips
        for clips in (EXAMPLES, untrained, fewer, reworded)
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_lower_rank_is_the_better_one(probe: Probe) -> None:
    for outcomes in (
        task_of(probe, HASTY).evaluate(deaf(), seed=0),
        task_of(probe, HASTY).evaluate(telling(), seed=0),
    ):
        lower = {o.score.metric for o in outcomes if o.score.lower_is_better}
        ranks = {"audio_to_text_median_rank", "text_to_audio_median_rank"}
        assert lower == (set() if probe == "captioning" else ranks)


def test_only_captioning_asks_for_frames() -> None:
    asked = {task.name: getattr(task, "needs_frames", False) for task in [task_of("captioning")]}
    assert asked == {"captioning": True}


def test_a_task_without_lit_is_zero_shot_alone() -> None:
    config = EvaluateConfig(retrieval=(RetrievalTaskConfig(lit=False),))
    (task,) = language_tasks(EXAMPLES, config)
    assert task.evaluate(telling(), seed=0)[0].score.probe == "zero-shot"

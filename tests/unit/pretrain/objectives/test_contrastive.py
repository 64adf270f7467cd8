from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.config import ContrastiveConfig
from earmark.pretrain.objectives.contrastive import ContrastiveObjective
from earmark.pretrain.objectives.targets import target_texts
from earmark.pretrain.text.config import TextModelConfig
from earmark.pretrain.text.tokenizer import build_tokenizer_spec
from earmark.records import Example

MODEL = TextModelConfig(size="mini", bpe_size=300, max_tokens=12, dropout=0.1)
SUMMARIES = ("dogs bark.", "rain falls on a roof.", "dogs bark.", "piano, slow")

Told = Callable[..., list[Example]]
Frames = Callable[..., Encoded]


def contrastive(examples: list[Example], **settings: object) -> ContrastiveObjective:
    config = ContrastiveConfig(model=MODEL, dim=16, **settings)  # pyright: ignore
    words = build_tokenizer_spec([target_texts(example, config) for example in examples], MODEL)
    torch.manual_seed(0)
    return ContrastiveObjective(config, 8, words, pretrained=False)


def test_both_sides_are_unit_vectors_that_padding_does_not_change(
    told: Told, frames: Frames
) -> None:
    objective, given = contrastive(told(*SUMMARIES)).eval(), frames(4)
    texts = objective.embed_text(SUMMARIES)
    with torch.inference_mode():
        audio = objective.embed_audio(given)
        first = objective.embed_audio(Encoded(given.frames[:1, :2], given.mask[:1, :2]))
    for vectors in (texts, audio):
        assert vectors.shape == (4, 16)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(first, audio[:1])
    torch.testing.assert_close(objective.embed_text(SUMMARIES[:1]), texts[:1], rtol=0, atol=1e-5)
    assert objective.embed_text([]).shape == (0, 16)


def test_text_vectors_are_free_of_dropout_and_leave_the_mode_alone(told: Told) -> None:
    objective = contrastive(told(*SUMMARIES)).train()
    assert torch.equal(objective.embed_text(SUMMARIES), objective.embed_text(SUMMARIES))
    assert objective.training
    assert not objective.embed_text(SUMMARIES).requires_grad


def test_the_audio_side_projects_frames_before_it_averages_them(told: Told, frames: Frames) -> None:
    objective, given = contrastive(told(*SUMMARIES)), frames(3)
    with torch.inference_mode():
        for row, audio in enumerate(objective.embed_audio(given)):
            real = given.frames[row][given.mask[row]]
            mean = torch.stack([objective.audio_projection(frame) for frame in real]).mean(dim=0)
            torch.testing.assert_close(audio, mean / mean.norm())


def test_equal_texts_have_equal_keys_and_other_texts_others(told: Told) -> None:
    examples = told(*SUMMARIES)
    keys = contrastive(examples).targets(examples, [1, 2, 3, 4]).keys.tolist()
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3


def test_one_of_several_texts_is_drawn_by_the_clips_seed(told: Told) -> None:
    clip = told("dogs bark.", original=("one", "two", "three"))
    objective = contrastive(clip, text="original")
    drawn = [objective.targets(clip, [seed]).keys.item() for seed in range(60)]
    again = [objective.targets(clip, [seed]).keys.item() for seed in range(60)]
    assert drawn == again
    assert min(drawn.count(key) for key in set(drawn)) > 8
    assert len(set(drawn)) == 3


def test_a_clip_without_its_text_is_an_error_that_names_it(told: Told) -> None:
    clips = told("dogs bark.", original=("one",)) + told("rain")
    objective = contrastive(clips, text="original")
    with pytest.raises(ValueError, match=r"clip-0 \(0.wav\) has no original text"):
        objective.targets(clips, [0, 0])


def test_measure_is_the_loss_of_the_whole_set(told: Told, frames: Frames) -> None:
    examples, given = told(*SUMMARIES), frames(4)
    objective = contrastive(examples).eval()
    batches = [
        (
            Encoded(given.frames[part], given.mask[part]),
            objective.targets(examples[part], [0] * len(examples[part])),
        )
        for part in (slice(1), slice(1, 4))
    ]
    with torch.inference_mode():
        scores = objective.measure(iter(batches))
        loss = objective(given, objective.targets(examples, [0] * 4)).total.item()
    assert scores["loss"] == pytest.approx(loss, rel=1e-4)
    assert scores["recall_at_10"] == 1.0

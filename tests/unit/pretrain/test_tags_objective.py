from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.tags import (
    TagsObjective,
    mean_average_precision,
    multi_hot,
    tag_frequencies,
)
from earmark.records import Example


def encoded(clips: int = 3, frames: int = 5, dim: int = 4) -> Encoded:
    torch.manual_seed(0)
    counts = torch.arange(1, clips + 1)
    mask = torch.arange(frames) < counts.unsqueeze(1)
    return Encoded(torch.randn(clips, frames, dim), mask)


def plain_loss(objective: TagsObjective, given: Encoded, truth: np.ndarray) -> float:
    """BCE clip by clip and tag by tag, in double precision."""
    weight = objective.head.weight.detach().double().numpy()
    bias = objective.head.bias.detach().double().numpy()
    total = 0.0
    for frames, mask, row in zip(given.frames, given.mask, truth, strict=True):
        real = [f.double().numpy() for f, m in zip(frames, mask, strict=True) if m]
        pooled = sum(real) / len(real)
        for tag, positive in enumerate(row):
            probability = 1 / (1 + np.exp(-(weight[tag] @ pooled + bias[tag])))
            total -= np.log(probability if positive else 1 - probability)
    return total / truth.size


def test_loss_is_the_mean_binary_cross_entropy() -> None:
    objective = TagsObjective(dim=4, vocabulary_size=6)
    torch.nn.init.normal_(objective.head.weight)
    torch.nn.init.normal_(objective.head.bias)
    truth = np.random.default_rng(1).integers(0, 2, (3, 6)).astype(np.float32)
    loss = objective(encoded(), torch.from_numpy(truth))
    assert loss.total.item() == pytest.approx(plain_loss(objective, encoded(), truth), rel=1e-5)
    assert set(loss.parts) == {"tags"}
    assert not loss.parts["tags"].requires_grad


def test_the_head_starts_at_the_frequencies_of_the_tags() -> None:
    frequencies = np.array([0.5, 0.9, 0.01])
    objective = TagsObjective(dim=4, vocabulary_size=3, frequencies=frequencies)
    silent = Encoded(torch.zeros(1, 1, 4), torch.ones(1, 1, dtype=torch.bool))
    start = torch.sigmoid(objective.logits(silent))[0].detach().numpy()
    np.testing.assert_allclose(start, frequencies, rtol=1e-5)


def test_targets_and_frequencies(make_examples: Callable[..., list[Example]]) -> None:
    examples = make_examples(3)
    hot = multi_hot(examples, 5)
    assert [set(np.flatnonzero(row)) for row in hot] == [set(e.tag_ids) for e in examples]
    np.testing.assert_array_equal(TagsObjective(4, 5).targets(examples).numpy(), hot)
    np.testing.assert_allclose(tag_frequencies(examples, 5), (hot.sum(axis=0) + 0.5) / 4)


def test_mean_average_precision_by_hand() -> None:
    scores = np.array([[0.9, 0.1, 0.3], [0.8, 0.9, 0.2], [0.1, 0.2, 0.1]], dtype=np.float64)
    truth = np.array([[True, True, False], [False, False, False], [True, False, False]])
    first = (1 / 1 + 2 / 3) / 2
    second = 1 / 3
    assert mean_average_precision(scores, truth) == pytest.approx((first + second) / 2)
    assert np.isnan(mean_average_precision(scores, np.zeros_like(truth)))


def test_measure_covers_all_clips_however_they_are_batched() -> None:
    objective = TagsObjective(dim=4, vocabulary_size=2)
    torch.nn.init.normal_(objective.head.weight)
    given, truth = encoded(4), torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]])
    parts = [(Encoded(given.frames[s], given.mask[s]), truth[s]) for s in (slice(1), slice(1, 4))]
    with torch.inference_mode():
        whole, split = objective.measure([(given, truth)]), objective.measure(iter(parts))
        loss = objective(given, truth).total.item()
    assert split == pytest.approx(whole)
    assert whole["loss"] == pytest.approx(loss)
    assert 0 < whole["map"] <= 1

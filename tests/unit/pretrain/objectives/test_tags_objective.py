from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.config import TagsConfig
from earmark.pretrain.objectives.metrics import MeanAveragePrecision
from earmark.pretrain.objectives.tags import TagsObjective, TagTargets
from earmark.pretrain.objectives.targets import ClassSpec, collect_classes
from earmark.records import Example


def encoded(clips: int = 3, frames: int = 5, dim: int = 4) -> Encoded:
    torch.manual_seed(0)
    counts = torch.arange(1, clips + 1)
    mask = torch.arange(frames) < counts.unsqueeze(1)
    return Encoded(torch.randn(clips, frames, dim), mask)


def tags(count: int, config: TagsConfig | None = None) -> TagsObjective:
    names = tuple(f"tag {n}" for n in range(count))
    classes = ClassSpec(names=names, counts=tuple(range(count)), clips=count)
    objective = TagsObjective(config or TagsConfig(), 4, classes)
    torch.nn.init.normal_(objective.head.weight)
    torch.nn.init.normal_(objective.head.bias)
    return objective


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
    objective = tags(6)
    truth = np.random.default_rng(1).integers(0, 2, (3, 6)).astype(np.float32)
    loss = objective(encoded(), TagTargets(torch.from_numpy(truth), 0))
    assert loss.total.item() == pytest.approx(plain_loss(objective, encoded(), truth), rel=1e-5)
    assert loss.weight == 3
    assert set(loss.parts) == {"tags"}
    assert not loss.parts["tags"].requires_grad


def test_the_settings_reach_the_loss() -> None:
    settings = [
        TagsConfig(),
        TagsConfig(loss="focal"),
        TagsConfig(loss="focal", gamma=1.0),
        TagsConfig(loss="asymmetric"),
        TagsConfig(loss="asymmetric", gamma=1.0),
        TagsConfig(loss="asymmetric", gamma_present=1.0),
        TagsConfig(loss="asymmetric", margin=0.2),
    ]
    truth = TagTargets(torch.tensor([[1.0, 0], [0, 1], [1, 1]]), 0)
    losses: list[float] = []
    for config in settings:
        torch.manual_seed(1)
        losses.append(tags(2, config)(encoded(), truth).total.item())
    assert len(set(losses)) == len(settings)


def test_the_head_starts_at_the_frequencies_of_the_tags() -> None:
    classes = ClassSpec(names=("a", "b", "c"), counts=(50, 90, 0), clips=100)
    objective = TagsObjective(TagsConfig(), 4, classes)
    silent = Encoded(torch.zeros(1, 1, 4), torch.ones(1, 1, dtype=torch.bool))
    start = torch.sigmoid(objective.logits(silent))[0].detach().numpy()
    np.testing.assert_allclose(start, np.array([50.5, 90.5, 0.5]) / 101, rtol=1e-5)


def test_targets_are_the_tags_of_the_vocabulary(
    make_examples: Callable[..., list[Example]], vocabulary: Vocabulary
) -> None:
    examples = make_examples(3)
    classes = collect_classes(examples, vocabulary, "")
    objective = TagsObjective(TagsConfig(), 4, classes)
    targets = objective.targets(examples, [0, 0, 0])
    assert [set(np.flatnonzero(row)) for row in targets.hot] == [set(e.tag_ids) for e in examples]
    assert targets.unseen == 0
    assert classes.counts == tuple(targets.hot.sum(dim=0).int().tolist())


def test_labels_that_training_never_saw_are_counted_and_left_out(
    make_examples: Callable[..., list[Example]], vocabulary: Vocabulary
) -> None:
    train, held_out = (
        [
            msgspec.structs.replace(example, labels={"audioset": values})
            for example, values in zip(make_examples(2, split), given, strict=True)
        ]
        for split, given in (
            ("train", [("dog", "bark"), ("rain",)]),
            ("validation", [("dog", "owl", "owl"), ("cat",)]),
        )
    )
    objective = TagsObjective(
        TagsConfig(label="audioset"), 4, collect_classes(train, vocabulary, "audioset")
    )
    targets = objective.targets(held_out, [0, 0])
    assert objective.classes.names == ("bark", "dog", "rain")
    assert targets.hot.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert targets.unseen == 2
    with torch.inference_mode():
        scores = objective.measure([(encoded(2), targets)])
    assert scores["labels_unseen"] == 2.0


def test_mean_average_precision_by_hand() -> None:
    scores = np.array([[0.9, 0.1, 0.3], [0.8, 0.9, 0.2], [0.1, 0.2, 0.1]], dtype=np.float32)
    truth = np.array([[True, True, False], [False, False, False], [True, False, False]])
    first = (1 / 1 + 2 / 3) / 2
    second = 1 / 3
    assert _map(scores, truth) == pytest.approx((first + second) / 2)
    assert np.isnan(_map(scores, np.zeros_like(truth)))
    assert np.isnan(MeanAveragePrecision().result())


def _map(scores: np.ndarray, truth: np.ndarray) -> float:
    precision = MeanAveragePrecision()
    for row in range(len(scores)):
        precision.add(scores[row : row + 1], truth[row : row + 1])
    return precision.result()


def test_measure_covers_all_clips_however_they_are_batched() -> None:
    objective = tags(2)
    given, truth = encoded(4), torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]])
    parts = [
        (Encoded(given.frames[s], given.mask[s]), TagTargets(truth[s], 0))
        for s in (slice(1), slice(1, 4))
    ]
    with torch.inference_mode():
        whole = objective.measure([(given, TagTargets(truth, 0))])
        split = objective.measure(iter(parts))
        loss = objective(given, TagTargets(truth, 0)).total.item()
    assert split == pytest.approx(whole)
    assert whole["loss"] == pytest.approx(loss)
    assert 0 < whole["map"] <= 1

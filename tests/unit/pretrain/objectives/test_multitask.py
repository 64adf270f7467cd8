from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.config import MultitaskConfig, TagsConfig
from earmark.pretrain.objectives.multitask import MultitaskObjective, merge_scores, part_names
from earmark.pretrain.objectives.tags import TagsObjective
from earmark.pretrain.objectives.targets import ClassSpec
from earmark.records import Example

Told = Callable[..., list[Example]]
Frames = Callable[..., Encoded]
CLASSES = ClassSpec(names=("dogs", "rain"), counts=(2, 1), clips=4)
PARTS = (TagsConfig(), TagsConfig(loss="focal"))


def multitask(*, learn: bool) -> MultitaskObjective:
    torch.manual_seed(0)
    config = MultitaskConfig(parts=PARTS, weights=(2.0, 0.5), learn_weights=learn)
    return MultitaskObjective(config, [TagsObjective(part, 8, CLASSES) for part in PARTS])


def losses_of(objective: MultitaskObjective, given: Encoded, examples: list[Example]):
    targets = objective.targets(examples, [0] * len(examples))
    parts = objective.by_name().values()
    each = [part(given, own).total.item() for part, own in zip(parts, targets, strict=True)]
    return objective(given, targets), each


def test_fixed_weights_make_a_weighted_sum(told: Told, frames: Frames) -> None:
    loss, (first, second) = losses_of(multitask(learn=False), frames(2), told("dogs", "rain"))
    assert loss.total.item() == pytest.approx(2 * first + 0.5 * second)
    assert loss.weight == 2
    told_of = {name: value.item() for name, value in loss.parts.items()}
    assert told_of == pytest.approx({"tags": first, "tags_2": second})


def test_learnt_weights_start_as_given_and_follow_the_losses(told: Told, frames: Frames) -> None:
    objective = multitask(learn=True)
    given, examples = frames(2), told("dogs", "rain")
    loss, (first, second) = losses_of(objective, given, examples)
    # log s^2 = -log weight
    noise = -(math.log(2.0) + math.log(0.5)) / 2
    assert loss.total.item() == pytest.approx(2 * first + 0.5 * second + noise)
    assert loss.parts["weight/tags"].item() == pytest.approx(2.0)
    optimizer = torch.optim.Adam([objective.log_variances], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        losses_of(objective, given, examples)[0].total.backward()
        optimizer.step()
    # Where d/ds (L / s^2 + log s) = 0, the weight 1 / s^2 is 1 / 2L.
    expected = [1 / (2 * first), 1 / (2 * second)]
    assert objective.weights.tolist() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("learn", [False, True])
def test_scores_are_those_of_the_parts_and_their_weighted_sum(
    told: Told, frames: Frames, learn: bool
) -> None:
    objective = multitask(learn=learn).eval()
    given, examples = frames(3), told("dogs", "rain", "dogs")
    with torch.inference_mode():
        loss, (first, second) = losses_of(objective, given, examples)
        scores = objective.measure([(given, objective.targets(examples, [0] * 3))])
    assert set(scores) == {"loss", "loss/tags", "map", "loss/tags_2", "tags_2/map"}
    assert scores["loss"] == pytest.approx(loss.total.item())
    assert scores["loss/tags"] == pytest.approx(first)
    assert scores["loss/tags_2"] == pytest.approx(second)
    assert objective.selects == "map"


def test_names() -> None:
    config = MultitaskConfig(parts=(TagsConfig(),) * 3, weights=(1.0,) * 3)
    assert part_names(config) == ("tags", "tags_2", "tags_3")
    joined = merge_scores(
        {"loss": 1}, {"a": {"loss": 2, "map": 3}, "b": {"loss": 4, "f1": 5, "map": 6}}
    )
    assert joined == {"loss": 1, "a/loss": 2, "map": 3, "b/loss": 4, "f1": 5, "b/map": 6}

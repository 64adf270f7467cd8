"""What every objective must do, whatever it asks of an encoder."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from earmark.pretrain.build import build_objective
from earmark.pretrain.config import TagsConfig
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.base import Objective
from earmark.records import Example

DIM, TAGS, CLIPS = 8, 6, 5
OBJECTIVES = {"tags": TagsConfig()}


@pytest.fixture(params=OBJECTIVES)
def objective(request: pytest.FixtureRequest) -> Objective[Any]:
    return build_objective(OBJECTIVES[request.param], dim=DIM, vocabulary_size=TAGS, seed=1)


@pytest.fixture
def examples() -> list[Example]:
    rng = np.random.default_rng(0)
    blank = Example(
        id="",
        path="",
        name="",
        duration_s=1.0,
        split="train",
        recording=None,
        speaker=None,
        tags=(),
        tag_ids=(),
        caption="A dog barks. It rains.",
        summary="A dog barks in the rain.",
        labels={},
    )
    return [
        msgspec.structs.replace(
            blank, id=str(n), tag_ids=tuple(rng.choice(TAGS, 2, replace=False).tolist())
        )
        for n in range(CLIPS)
    ]


def encoded(*, grad: bool = False, behind: float = 0.0) -> Encoded:
    generator = torch.Generator().manual_seed(3)
    frames = torch.randn(CLIPS, 7, DIM, generator=generator)
    mask = torch.arange(7) < torch.arange(3, 3 + CLIPS).clamp(max=7).unsqueeze(1)
    frames = frames.masked_fill(~mask.unsqueeze(-1), behind)
    return Encoded(frames.requires_grad_(grad), mask)


def test_the_loss_is_a_finite_scalar_that_reaches_frames_and_parameters(
    objective: Objective[Any], examples: list[Example]
) -> None:
    given = encoded(grad=True)
    loss = objective(given, objective.targets(examples))
    assert loss.total.shape == ()
    assert torch.isfinite(loss.total)
    loss.total.backward()
    assert given.frames.grad is not None
    assert (given.frames.grad[given.mask].abs().sum(dim=-1) > 0).all()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.parameters())
    assert not any(part.requires_grad for part in loss.parts.values())


def test_padded_frames_do_not_matter(objective: Objective[Any], examples: list[Example]) -> None:
    objective.eval()
    targets = objective.targets(examples)
    first = objective(encoded(), targets).total
    second = objective(encoded(behind=99.0), targets).total
    torch.testing.assert_close(first, second)


def test_targets_travel_between_processes(
    objective: Objective[Any], examples: list[Example]
) -> None:
    targets = objective.targets(examples)
    again = pickle.loads(pickle.dumps(targets))
    objective.eval()
    first, second = (objective(encoded(), given).total for given in (targets, again))
    torch.testing.assert_close(first, second)


def test_measure_names_its_scores(objective: Objective[Any], examples: list[Example]) -> None:
    objective.eval()
    with torch.inference_mode():
        scores = objective.measure(iter([(encoded(), objective.targets(examples))]))
    assert "loss" in scores
    assert all(isinstance(value, float) for value in scores.values())


def test_fresh_weights_follow_from_the_seed_alone() -> None:
    for config in OBJECTIVES.values():
        first, second, other = (
            build_objective(config, dim=DIM, vocabulary_size=TAGS, seed=seed).state_dict()
            for seed in (1, 1, 2)
        )
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)

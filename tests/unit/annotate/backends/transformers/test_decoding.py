"""Batches, draws and memory: the parts that need no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import torch

pytest.importorskip("transformers")

from earmark.annotate.backends.base import Prompt, Refusal
from earmark.annotate.backends.chat import ChatConfig
from earmark.annotate.backends.transformers.generate import (
    GumbelNoise,
    logits_processors,
    run_with_oom_fallback,
    sampling_seed,
)
from earmark.annotate.backends.transformers.inputs import collate

PROMPTS = [Prompt(id="a"), Prompt(id="b")]


def test_tokens_are_padded_left_and_features_right() -> None:
    one = {
        "input_ids": torch.tensor([[5, 6]]),
        "attention_mask": torch.ones(1, 2, dtype=torch.long),
        "input_features": torch.ones(1, 2, 4),
    }
    other = {
        "input_ids": torch.tensor([[7, 8, 9]]),
        "attention_mask": torch.ones(1, 3, dtype=torch.long),
        "input_features": torch.ones(2, 2, 1),
    }
    batch = collate([one, other], pad_token=3)
    assert batch["input_ids"].tolist() == [[3, 5, 6], [7, 8, 9]]
    assert batch["attention_mask"].tolist() == [[0, 1, 1], [1, 1, 1]]
    assert batch["input_features"][:, 0].tolist() == [[1, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0]]


def test_noise_draws_from_the_softmax() -> None:
    chances = torch.tensor([0.5, 0.3, 0.2, 0.0])
    noise, ids = GumbelNoise([7]), torch.zeros(1, 1, dtype=torch.long)
    drawn = Counter(int(noise(ids, chances.log()[None]).argmax()) for _ in range(4000))
    # Four standard deviations of a binomial share are at most 0.032 here.
    assert [drawn[token] / 4000 for token in range(4)] == pytest.approx(chances.tolist(), abs=0.032)


def test_a_row_draws_the_same_beside_any_other() -> None:
    scores, ids = torch.randn(2, 50), torch.zeros(2, 1, dtype=torch.long)
    together = GumbelNoise([1, 2])(ids, scores)
    assert torch.equal(GumbelNoise([2])(ids[1:], scores[1:]), together[1:])


def test_seeds() -> None:
    config = ChatConfig(model="m", seed=3)
    seeds = {sampling_seed(config, Prompt(id=name, draw=draw)) for name in "ab" for draw in (0, 1)}
    assert len(seeds) == 4
    later = ChatConfig(model="m", seed=4)
    assert sampling_seed(config, Prompt(id="a", draw=1)) == sampling_seed(later, Prompt(id="a"))


def test_sampling_keeps_to_top_k_and_top_p() -> None:
    scores, ids = torch.tensor([[3.0, 2.0, 1.0]] * 2), torch.zeros(2, 1, dtype=torch.long)
    assert not logits_processors(ChatConfig(model="m", temperature=0), PROMPTS)
    by_count = logits_processors(ChatConfig(model="m", top_k=2, top_p=1), PROMPTS)(ids, scores)
    by_share = logits_processors(ChatConfig(model="m", temperature=1, top_p=0.6), PROMPTS)(
        ids, scores
    )
    assert by_count.isfinite().tolist() == [[True, True, False]] * 2
    assert by_share.isfinite().tolist() == [[True, False, False]] * 2


def test_where_memory_runs_out_each_is_tried_alone() -> None:
    emptied: list[None] = []

    def run(batch: Sequence[int]) -> list[str]:
        if sum(batch) > 5:
            raise torch.OutOfMemoryError("too much")
        return [str(one) for one in batch]

    answers = run_with_oom_fallback([2, 9, 4], run, lambda: emptied.append(None))
    assert answers == ["2", Refusal(reason="out of memory", detail="too much"), "4"]
    assert len(emptied) == 2

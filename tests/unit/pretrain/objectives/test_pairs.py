from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from earmark.pretrain.objectives.contrastive_losses import (
    MIN_TEMPERATURE,
    EmbeddingPairs,
    InfoNce,
    LogitScale,
    PairLoss,
    SigLip,
)
from earmark.pretrain.objectives.metrics import recall_at_k

KEYS = (7, 3, 7, 9, 4)
"""The first and the third clip have the same text."""


def pairs(keys: tuple[int, ...] = KEYS, dim: int = 6) -> EmbeddingPairs:
    rng = np.random.default_rng(0)
    audio, text = (rng.normal(size=(len(keys), dim)) for _ in range(2))
    texts = {key: text[place] for place, key in enumerate(keys)}
    text = np.stack([texts[key] for key in keys])
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (audio, text)]
    return EmbeddingPairs(*(torch.tensor(side).float() for side in unit), torch.tensor(keys))


def plain_info_nce(given: EmbeddingPairs, temperature: float) -> float:
    """Loops; of the clips with an equal text only the own one is there."""
    audio, text, keys = (part.double().numpy() for part in (given.audio, given.text, given.keys))
    total = 0.0
    for ours, theirs in ((audio, text), (text, audio)):
        for i in range(len(keys)):
            held = [j for j in range(len(keys)) if j == i or keys[j] != keys[i]]
            scores = {j: math.exp(ours[i] @ theirs[j] / temperature) for j in held}
            total -= math.log(scores[i] / sum(scores.values()))
    return total / (2 * len(keys))


def plain_siglip(given: EmbeddingPairs, temperature: float, bias: float) -> float:
    """arXiv 2303.15343, algorithm 1, as loops; pairs of equal texts are left out."""
    audio, text, keys = (part.double().numpy() for part in (given.audio, given.text, given.keys))
    total = 0.0
    for i in range(len(keys)):
        for j in range(len(keys)):
            if i == j or keys[i] != keys[j]:
                sign = 1 if i == j else -1
                score = sign * (audio[i] @ text[j] / temperature + bias)
                total += math.log(1 + math.exp(-score))
    return total / len(keys)


@pytest.mark.parametrize("keys", [KEYS, (1, 2, 3, 4, 5)])
def test_losses_are_those_of_the_papers(keys: tuple[int, ...]) -> None:
    given = pairs(keys)
    info_nce = InfoNce(0.07, learnt=False)(given, 0, 5)
    assert info_nce.item() == pytest.approx(plain_info_nce(given, 0.07), rel=1e-5)
    siglip = SigLip(0.1)
    assert siglip(given, 0, 5).item() == pytest.approx(plain_siglip(given, 0.1, -10.0), rel=1e-5)
    with torch.no_grad():
        siglip.bias.fill_(-1.5)
    assert siglip(given, 0, 5).item() == pytest.approx(plain_siglip(given, 0.1, -1.5), rel=1e-5)


@pytest.mark.parametrize("loss", [InfoNce(0.07, learnt=True), SigLip(0.07)])
def test_shares_of_the_pairs_add_up_to_the_whole(loss: PairLoss) -> None:
    given = pairs()
    parts = [loss(given, first, count) * count for first, count in ((0, 2), (2, 3))]
    assert (sum(parts) / 5).item() == pytest.approx(loss(given, 0, 5).item(), rel=1e-5)


def test_a_learnt_temperature_comes_back_from_beyond_its_bounds() -> None:
    scale = LogitScale(0.07, learnt=True)
    assert scale().item() == pytest.approx(1 / 0.07)
    for beyond, bound in ((50.0, 1 / MIN_TEMPERATURE), (-50.0, 1.0)):
        with torch.no_grad():
            scale.logarithm.fill_(beyond)
        scale.train()
        value = scale()
        value.backward()
        assert value.item() == pytest.approx(bound)
        assert scale.logarithm.grad is not None
        assert scale.logarithm.grad.item() != 0
    assert not list(LogitScale(0.07, learnt=False).parameters())
    assert LogitScale(0.005, learnt=True)().item() == pytest.approx(200)


def test_losses_keep_float32_under_autocast() -> None:
    given = pairs()
    exact = InfoNce(0.01, learnt=False)(given, 0, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert InfoNce(0.01, learnt=False)(given, 0, 5).item() == pytest.approx(exact.item())


def test_recall_counts_equal_texts_once_and_any_of_their_clips() -> None:
    one, two, three = torch.eye(3)
    # Clips 0 and 2 share a text; clip 2 lies by another text, clip 1 by its own.
    given = EmbeddingPairs(
        torch.stack([one, two, three, three]),
        torch.stack([one, two, one, three]),
        torch.tensor([5, 6, 5, 7]),
    )
    scores = recall_at_k(given, (1, 3))
    assert scores["audio_to_text_recall_at_1"] == 3 / 4
    # Text 7 finds clips 2 and 3 alike, of which one is wrong.
    assert scores["text_to_audio_recall_at_1"] == pytest.approx(2 / 3)
    assert scores["recall_at_1"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert scores["recall_at_3"] == 1.0


def test_vectors_that_are_all_the_same_find_nothing() -> None:
    same = torch.ones(20, 4) / 2
    scores = recall_at_k(EmbeddingPairs(same, same, torch.arange(20)), (1, 10))
    assert set(scores.values()) == {0.0}


def test_recall_of_many_is_that_of_sorting() -> None:
    rng = np.random.default_rng(0)
    audio, text = (torch.tensor(rng.normal(size=(1500, 8))).float() for _ in range(2))
    scores = recall_at_k(EmbeddingPairs(audio, text, torch.arange(1500)), (10,))
    for ours, theirs, way in ((audio, text, "audio_to_text"), (text, audio, "text_to_audio")):
        first = np.argsort(-(ours @ theirs.T).numpy(), axis=1)[:, :10]
        found = np.mean([place in row for place, row in enumerate(first)])
        assert scores[f"{way}_recall_at_10"] == pytest.approx(found)

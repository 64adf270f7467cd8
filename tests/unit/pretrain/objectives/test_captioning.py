from __future__ import annotations

import math
import pickle

import pytest
import torch
from torch import Tensor

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives import decoder
from earmark.pretrain.objectives.captioning import CaptioningObjective, CaptioningTargets
from earmark.pretrain.objectives.config import CaptioningConfig
from earmark.pretrain.objectives.decoder import QueryMode, decoder_batch
from earmark.pretrain.text.config import TextModelConfig
from earmark.pretrain.text.tokenizer import Tokens, build_tokenizer_spec
from earmark.records import Example
from factories import new_example

TEXTS = ["A dog barks in the rain.", "Rain.", "Two people talk far away.", "A loud, loud train."]
WAYS: tuple[QueryMode, ...] = ("target", "fixed")
DIM, MAX_TOKENS, SMOOTHING = 6, 30, 0.1
MIXED = torch.tensor([True, False, True, False])


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def build(
    queries: QueryMode = "target", parallel: float = 0.75, smoothing: float = SMOOTHING
) -> CaptioningObjective:
    model = TextModelConfig(size="mini", bpe_size=330, max_tokens=MAX_TOKENS, dropout=0.0)
    config = CaptioningConfig(
        model=model, queries=queries, parallel=parallel, label_smoothing=smoothing
    )
    torch.manual_seed(0)
    words = build_tokenizer_spec([(text,) for text in TEXTS], model)
    return CaptioningObjective(config, DIM, words, pretrained=False).eval()


def encoded(clips: int = len(TEXTS)) -> Encoded:
    frames = torch.randn(clips, 5, DIM, generator=torch.Generator().manual_seed(1))
    return Encoded(frames, torch.arange(5) < torch.arange(2, 2 + clips).clamp(max=5)[:, None])


def example(number: int, *, originals: tuple[str, ...] = ()) -> Example:
    return new_example(
        id=str(number), summary=TEXTS[number % len(TEXTS)], original_captions=originals
    )


def reference_nats(
    objective: CaptioningObjective,
    clip: int,
    *,
    at_once: bool,
    queries: QueryMode,
    smoothing: float,
) -> list[float]:
    """Return the loss of each token of one clip, written out: no batch, no padding, no masks."""
    pieces = objective.pieces
    ids = pieces.encode([TEXTS[clip]]).ids[0].tolist()
    answers = ids[1:]
    places = len(answers) if queries == "target" or not at_once else MAX_TOKENS - 1
    read = [pieces.mask_id] * places if at_once else ids[:-1]
    everyone = encoded()
    real = everyone.mask[clip]
    heard = Encoded(everyone.frames[clip : clip + 1, real], real[real][None])
    inputs = Tokens(torch.tensor([read]), torch.ones(1, places, dtype=torch.bool))
    decoder = objective.decoder
    logits = decoder.logits(decoder(inputs, heard, torch.tensor([not at_once])))[0]
    losses: list[float] = []
    for place, answer in enumerate(answers):
        scores = logits[place].detach().double()
        nats = [float(scores.exp().sum().log() - score) for score in scores]
        losses.append((1 - smoothing) * nats[answer] + smoothing * sum(nats) / len(nats))
    return losses


@pytest.mark.parametrize("queries", WAYS)
@torch.no_grad()
def test_the_loss_is_the_mean_over_tokens_written_out(queries: QueryMode) -> None:
    objective = build(queries)
    loss = objective(encoded(), CaptioningTargets(objective.pieces.encode(TEXTS), MIXED))
    nats = [
        reference_nats(
            objective, clip, at_once=bool(MIXED[clip]), queries=queries, smoothing=SMOOTHING
        )
        for clip in range(len(TEXTS))
    ]
    tokens = sum(map(len, nats))
    assert loss.weight == tokens
    assert float(loss.total) == pytest.approx(sum(map(sum, nats)) / tokens, rel=1e-5)
    for way, at_once in (("ar", False), ("par", True)):
        own = [
            value
            for row, drawn in zip(nats, MIXED, strict=True)
            if drawn == at_once
            for value in row
        ]
        assert float(loss.parts[way]) == pytest.approx(sum(own) / len(own), rel=1e-5)
        assert loss.weight_of(way) == len(own)
    alone = objective(encoded(), CaptioningTargets(objective.pieces.encode(TEXTS), MIXED & False))
    assert set(alone.parts) == {"ar"}


def test_how_many_places_are_scored_at_a_time_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gradient() -> Tensor:
        objective = build()
        given = encoded()
        given.frames.requires_grad_()
        loss = objective(given, CaptioningTargets(objective.pieces.encode(TEXTS), MIXED))
        loss.total.backward()
        assert given.frames.grad is not None
        return given.frames.grad

    whole = gradient()
    monkeypatch.setattr(decoder, "POSITIONS_PER_BLOCK", 7)
    torch.testing.assert_close(gradient(), whole, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("queries", WAYS)
def test_parallel_decoding_is_told_no_word_and_with_fixed_queries_no_length(
    queries: QueryMode,
) -> None:
    pieces = build(queries).pieces
    at_once = torch.tensor([True])
    texts = ["A dog barks in the rain.", "A dog talks in the rain!", "Rain."]
    first, same_length, shorter = (
        decoder_batch(pieces.encode([text]), at_once, pieces, queries) for text in texts
    )
    assert len(first.answers) == len(same_length.answers) > len(shorter.answers)
    for other, alike in ((same_length, True), (shorter, queries == "fixed")):
        seen = (first.inputs.ids, first.inputs.mask), (other.inputs.ids, other.inputs.mask)
        assert all(map(torch.equal, *seen)) == alike


def test_fixed_queries_ask_nothing_behind_the_end() -> None:
    pieces = build().pieces
    at_once = torch.tensor([True, True])
    texts = pieces.encode(["Rain.", TEXTS[0]])
    fixed = decoder_batch(texts, at_once, pieces, "fixed")
    assert fixed.inputs.ids.shape == (2, MAX_TOKENS - 1)
    assert torch.equal(fixed.answers, decoder_batch(texts, at_once, pieces, "target").answers)
    assert fixed.answers.eq(pieces.end_id).sum() == 2


def test_a_text_longer_than_allowed_is_asked_up_to_its_end() -> None:
    pieces = build().pieces
    asked = decoder_batch(pieces.encode([" ".join(TEXTS)]), torch.tensor([True]), pieces, "fixed")
    assert len(asked.answers) == MAX_TOKENS - 1
    assert asked.answers[-1] == pieces.end_id


def test_the_mixture_follows_from_each_clips_own_seed() -> None:
    objective = build(parallel=0.75)
    clips, seeds = [example(n) for n in range(2000)], [n * 7919 for n in range(2000)]
    targets = objective.targets(clips, seeds)
    assert abs(float(targets.parallel.float().mean()) - 0.75) < 0.03
    turned = objective.targets(clips[::-1], seeds[::-1])
    assert torch.equal(turned.parallel.flip(0), targets.parallel)
    again = pickle.loads(pickle.dumps(targets))
    assert torch.equal(again.texts.ids, targets.texts.ids)
    for share in (0.0, 1.0):
        assert (build(parallel=share).targets(clips[:50], seeds[:50]).parallel == share).all()


def test_of_several_texts_one_is_drawn_by_the_seed() -> None:
    objective = build()
    config = CaptioningConfig(text="original", model=objective.config.model)
    objective = CaptioningObjective(config, DIM, objective.words, pretrained=False)
    clip = example(0, originals=("Rain.", "Two people talk."))
    texts = objective.targets([clip] * 40, list(range(40))).texts
    said = [objective.pieces.decode(row) for row in texts.ids.tolist()]
    assert set(said) == {"Rain.", "Two people talk."}
    assert said == [
        objective.pieces.decode(objective.targets([clip], [n]).texts.ids[0].tolist())
        for n in range(40)
    ]
    with pytest.raises(ValueError, match="no original text"):
        objective.targets([example(1)], [0])


@pytest.mark.parametrize("queries", WAYS)
def test_every_text_is_measured_both_ways_without_smoothing(queries: QueryMode) -> None:
    objective = build(queries)
    everyone, texts = encoded(), objective.pieces.encode(TEXTS)
    # In two batches, and whatever was drawn.
    halves = [
        (
            Encoded(everyone.frames[part], everyone.mask[part]),
            CaptioningTargets(Tokens(texts.ids[part], texts.mask[part]), MIXED[part]),
        )
        for part in (slice(0, 1), slice(1, 4))
    ]
    with torch.inference_mode():
        scores = objective.measure(halves)
    means = {}
    for way in ("ar", "par"):
        nats = [
            value
            for clip in range(len(TEXTS))
            for value in reference_nats(
                objective, clip, at_once=way == "par", queries=queries, smoothing=0.0
            )
        ]
        means[way] = sum(nats) / len(nats)
        assert scores[f"loss/{way}"] == pytest.approx(means[way], rel=1e-5)
        assert scores[f"perplexity/{way}"] == pytest.approx(math.exp(means[way]), rel=1e-4)
        assert 0.0 <= scores[f"accuracy/{way}"] <= 1.0
    assert scores["loss"] == pytest.approx(0.25 * means["ar"] + 0.75 * means["par"], rel=1e-5)


def test_only_what_is_trained_is_measured_and_nothing_is_nan() -> None:
    assert set(build(parallel=0.0).meter().result()) == {
        "loss",
        "loss/ar",
        "accuracy/ar",
        "perplexity/ar",
    }
    assert all(math.isnan(value) for value in build(parallel=1.0).meter().result().values())


@pytest.mark.parametrize("queries", WAYS)
def test_it_learns_a_tiny_corpus_by_heart_and_writes_it(queries: QueryMode) -> None:
    objective = build(queries, smoothing=0.0).train()
    given, texts = encoded(), objective.pieces.encode(TEXTS)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3)
    for step in range(60):
        loss = objective(given, CaptioningTargets(texts, MIXED ^ bool(step % 2))).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05
    objective.eval()
    with torch.inference_mode():
        scores = objective.measure([(given, CaptioningTargets(texts, MIXED))])
        assert scores["accuracy/ar"] == scores["accuracy/par"] == 1.0
        assert objective.write(given) == TEXTS
        short = objective.write(given, max_tokens=3)
        pairs = list(zip(TEXTS, short, strict=True))
        assert all(text.startswith(said) and said != text for text, said in pairs)
        if queries == "fixed":  # with "target", the length is not known
            assert objective.write_at_once(given) == TEXTS
    with pytest.raises(ValueError, match="at least one"):
        objective.write(given, max_tokens=0)

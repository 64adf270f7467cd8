"""Whether a sound gets its own answer when other requests are in flight with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from earmark.annotate.canary.prober import Finding, Reply, answered_replies, quote, texts_by_name
from earmark.annotate.canary.similarity import (
    TermWeights,
    content_words,
    max_similarity,
    measure_separability,
    nearest_similarities,
)

MIN_EXCHANGE_GAIN = 0.5
"""Share of what an exchange brings in likeness that answers must show to count as exchanged.

With human captions, each by another person (validation sets of Clotho and AudioCaps, 1,500
drawings of six clips and two rounds), 0.1 and 0.3 % were taken for exchanged where none was, and
23 and 48 % found where one pair was exchanged once. A model agrees with itself far better than two
people do, and a server that mixes up does so in more than one round.
"""

MIXED_BATCH_CAUSES = (
    "the server mixes up audio and requests when it batches them (an old version? try the newest)",
    "short clips are padded to the longest of a batch without a mask",
    "a proxy or cache in between gives answers to the wrong request",
    "to see whether it is the server's batching, start it with --max-num-seqs 1",
)

SoloAnswers = Mapping[str, Sequence[TermWeights]]


class BatchComparison(msgspec.Struct, frozen=True):
    """An answer given among others, beside what was answered alone.

    Args:
        reply: the answer.
        own: likeness to the nearest answer to the same sound.
        nearest: the other sound whose answers are nearest.
        gain: how much more alike it is to these than to its own.
        expected: the gain, were it an answer to the other sound; 0 where there is none, or where
            alone the two sounds were not told apart without fail.
    """

    reply: Reply
    own: float
    nearest: str
    gain: float
    expected: float


def find_mixed_batches(replies: Sequence[Reply]) -> Finding | None:
    """Find that sounds in flight together get each other's answers, or lose their own.

    Answers have changed places where each is more like those to another sound and, followed from
    one sound to the next, they come round in a circle within one round.
    """
    texts = texts_by_name(answered_replies(replies, "alone"))
    alone = {name: [content_words(text) for text in found] for name, found in texts.items()}
    together = [reply for reply in answered_replies(replies, "together") if reply.name in alone]
    if len(alone) < 2 or not together:
        return None
    placed = [_compare_to_solo(reply, alone) for reply in together]
    rounds = sorted({each.reply.turn for each in placed})
    circles = [circle for turn in rounds if (circle := _find_exchange(placed, turn))]
    if circles:
        return _mixed_batches_finding(
            circles[0][0], texts, f"in {len(circles)} of {len(rounds)} rounds"
        )
    strays = [each for each in placed if _is_clear([each])]
    if 2 * len(strays) >= len(placed):
        return _mixed_batches_finding(
            strays[0], texts, f"in {len(strays)} of {len(placed)} answers"
        )
    return _find_unsteady_sound(placed, texts)


def _compare_to_solo(reply: Reply, alone: SoloAnswers) -> BatchComparison:
    words = content_words(reply.text)
    alike = {name: max_similarity(words, found) for name, found in alone.items()}
    own = alike.pop(reply.name)
    nearest = max(alike, key=alike.__getitem__)
    gain = alike[nearest] - own
    expected = _expected_gain(alone, reply.name, nearest) if gain > 0 else 0.0
    return BatchComparison(reply, own, nearest, gain, expected)


def _expected_gain(alone: SoloAnswers, name: str, other: str) -> float:
    gains = _gains(alone, other, name)
    sure = min(*gains, *_gains(alone, name, other)) > 0
    return sum(gains) / len(gains) if sure else 0.0


def _gains(alone: SoloAnswers, name: str, other: str) -> Sequence[float]:
    """Return how much more alike each answer to `name` is to its own than to the other's."""
    return [
        max_similarity(words, [each for place, each in enumerate(alone[name]) if place != left_out])
        - max_similarity(words, alone[other])
        for left_out, words in enumerate(alone[name])
    ]


def _find_exchange(placed: Sequence[BatchComparison], turn: int) -> Sequence[BatchComparison]:
    """Return the answers of one round that have changed places, () if none have."""
    moved = {each.reply.name: each for each in placed if each.reply.turn == turn and each.gain > 0}
    for start in moved:
        circle = [moved[start]]
        while (place := circle[-1].nearest) != start and place in moved:
            if len(circle) > len(moved):
                break
            circle.append(moved[place])
        if place == start and _is_clear(circle):
            return circle
    return ()


def _is_clear(moves: Sequence[BatchComparison]) -> bool:
    expected = [each.expected for each in moves]
    return min(expected) > 0 and sum(each.gain for each in moves) >= MIN_EXCHANGE_GAIN * sum(
        expected
    )


def _find_unsteady_sound(
    placed: Sequence[BatchComparison], texts: Mapping[str, Sequence[str]]
) -> Finding | None:
    """Find a sound that is steady alone and as unlike itself in every round as different sounds."""
    different = measure_separability(texts).different
    for name in texts:
        rounds = [each for each in placed if each.reply.name == name]
        if not rounds or any(each.own > different for each in rounds):
            continue
        if all(own > other for own, other in nearest_similarities(texts)[name]):
            return _mixed_batches_finding(rounds[0], texts, f"in all {len(rounds)} rounds")
    return None


def _mixed_batches_finding(
    example: BatchComparison, texts: Mapping[str, Sequence[str]], how_often: str
) -> Finding:
    name = example.reply.name
    like = f", which is like what was said of {example.nearest!r}" if example.gain > 0 else ""
    return Finding(
        name="batches mixed up",
        stop=True,
        asked=f"to describe {len(texts)} sounds at the same time, short and long ones",
        answered=f"{how_often} another answer than to the sound alone. {name!r} alone: "
        f"{quote(texts[name][0], 100)}; among the others: {quote(example.reply.text, 100)}{like}",
        meaning="Sounds that are in flight together do not get their own answers.",
        causes=MIXED_BATCH_CAUSES,
    )

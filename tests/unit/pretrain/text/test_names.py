from __future__ import annotations

import itertools
import math

import pytest
import torch

from earmark.pretrain.text.config import TextModelConfig
from earmark.pretrain.text.tag_list import TagProbabilities, parse_tag_list
from earmark.pretrain.text.tokenizer import Tokenizer, build_tokenizer_spec

NAMES = ("dog", "rain", "guitar", "guitar solo", "solo", "Male speech, man speaking", "wind (mic)")


@pytest.mark.parametrize(
    ("text", "names", "unknown"),
    [
        ("dog, rain", ("dog", "rain"), 0),
        ("dog, doggy, dog", ("dog",), 1),
        ("Male speech, man speaking, guitar solo", NAMES[5:6] + NAMES[3:4], 0),
        ("Male speech, dog", ("dog",), 1),
        (" , dog ,,", ("dog",), 0),
        ("", (), 0),
    ],
)
def test_names_are_read_back(text: str, names: tuple[str, ...], unknown: int) -> None:
    found = parse_tag_list(text, NAMES)
    assert (found.names, found.unknown) == (names, unknown)


@pytest.fixture(scope="module")
def pieces() -> Tokenizer:
    texts = [(", ".join(NAMES),), ("dog, rain", "rain, guitar", "solo, dog")]
    return Tokenizer(build_tokenizer_spec(texts, TextModelConfig(bpe_size=340, max_tokens=32)), 32)


def scores_of(rows: list[dict[int, float]], size: int) -> torch.Tensor:
    """Return logits of places that hold only the pieces given, with these probabilities."""
    scores = torch.full((1, len(rows), size), -1e9)
    for place, row in enumerate(rows):
        for piece, chance in row.items():
            scores[0, place, piece] = math.log(chance)
    return scores


@pytest.mark.parametrize("text", ["dog, guitar solo", "Male speech, man speaking, wind (mic)", ""])
def test_a_certain_text_lists_its_names_and_no_others(pieces: Tokenizer, text: str) -> None:
    ids = [*pieces.pieces(text), pieces.end_id]
    # Behind the end stands what nobody asked for.
    rows = [{piece: 1.0} for piece in [*ids, *pieces.pieces("x, rain,")]]
    chances = TagProbabilities(NAMES, pieces)(scores_of(rows, pieces.size))[0]
    expected = [float(name in parse_tag_list(text, NAMES).names) for name in NAMES]
    torch.testing.assert_close(chances, torch.tensor(expected), atol=1e-4, rtol=0)


def test_chances_are_those_of_all_texts_there_could_be(pieces: Tokenizer) -> None:
    # Names are picked so that each can stand at one place alone: then the formula is exact.
    start, comma = pieces.pieces("guitar")[:1], pieces.pieces("x,")[-1]
    rain, solo = pieces.pieces("rain"), pieces.pieces("solo")
    assert len(rain) == len(solo) == 1
    assert pieces.pieces("guitar solo") == [*start, *solo]
    rows = [
        {start[0]: 0.7, rain[0]: 0.3},
        {comma: 0.5, solo[0]: 0.3, pieces.end_id: 0.2},
        {solo[0]: 0.6, comma: 0.4},
        {pieces.end_id: 1.0},
    ]
    truth = dict.fromkeys(NAMES, 0.0)
    for choice in itertools.product(*(row.items() for row in rows)):
        text = pieces.decode([piece for piece, _ in choice])
        for name in parse_tag_list(text, NAMES).names:
            truth[name] += math.prod(chance for _, chance in choice)
    assert truth["guitar solo"] == pytest.approx(0.7 * 0.3 * 0.4)
    found = TagProbabilities(NAMES, pieces)(scores_of(rows, pieces.size))[0].tolist()
    assert found == pytest.approx(list(truth.values()), abs=1e-5)

"""Metrics of captions against a published library, hand-worked values and laws.

golden/caption_metrics.json holds captions written for this test, and what the library that it names
makes of them, split at spaces.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from earmark.evaluate.captioning.metrics import (
    CAPTION_METRICS,
    align_words,
    bleu,
    bleu_counts,
    caption_metrics,
    cider_d,
    count_chunks,
    lcs_length,
    meteor_like,
    rouge_l,
    spider,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "caption_metrics.json").read_text())
CANDIDATES, REFERENCES = GOLDEN["candidates"], GOLDEN["references"]
METRICS = {metric.name: metric for metric in caption_metrics(CANDIDATES, REFERENCES)}


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@pytest.mark.parametrize("name", sorted(GOLDEN["corpus"]))
def test_values_are_those_of_the_library(name: str) -> None:
    assert METRICS[name].value() == pytest.approx(GOLDEN["corpus"][name], abs=1e-6)


@pytest.mark.parametrize("name", sorted(GOLDEN["clips"]))
def test_values_of_clips_are_those_of_the_library(name: str) -> None:
    assert METRICS[name].rows[:, 0] == pytest.approx(GOLDEN["clips"][name], abs=1e-6)


def test_all_metrics_are_there_in_their_order() -> None:
    assert tuple(METRICS) == CAPTION_METRICS


def test_bleu_clips_repeated_words_as_in_the_paper() -> None:
    # Papineni et al. 2002, section 2.1, example 2: 2 of 7 words.
    references = [[words("the cat is on the mat"), words("there is a cat on the mat")]]
    counts = bleu_counts([words("the the the the the the the")], references)
    assert bleu(counts, 1)[0] == pytest.approx(2 / 7)
    assert bleu(counts, 2)[0] == 0


def test_bleu_is_brief_where_candidates_are() -> None:
    counts = bleu_counts([words("a dog")], [[words("a dog barks at us")]])
    assert bleu(counts, 2)[0] == pytest.approx(np.exp(1 - 5 / 2))


def test_rouge_is_that_of_the_paper() -> None:
    # Lin 2004, section 3.1: "police kill the gunman" shares 3 and 2 words in order.
    reference = words("police killed the gunman")
    assert lcs_length(words("police kill the gunman"), reference) == 3
    assert lcs_length(words("the gunman kill police"), reference) == 2
    assert rouge_l(words("police kill the gunman"), [reference]) == pytest.approx(0.75)


def test_cider_knows_how_telling_words_are() -> None:
    references = [[words("a dog")], [words("a bell")], [words("a dog and a bell")]]
    common, telling = cider_d([words("a"), words("bell"), ()], references)[:2]
    assert common == 0
    assert telling > 0


def test_cider_of_a_clip_that_no_other_is_like_is_ten() -> None:
    references = [[words("a dog barks loudly")], [words("one bell rings twice")]]
    assert cider_d([row[0] for row in references], references) == pytest.approx([10, 10])


def test_meteor_is_that_of_the_formula() -> None:
    reference = words("the president spoke to the audience")
    candidate = words("the president then spoke to the audience")
    # Banerjee & Lavie 2005, section 2.2: 6 matches in 2 chunks.
    alignment = align_words(candidate, reference)
    assert (len(alignment), count_chunks(alignment)) == (6, 2)
    precision, recall = 6 / 7, 1.0
    mean = 10 * precision * recall / (recall + 9 * precision)
    expected = mean * (1 - 0.5 * (2 / 6) ** 3)
    assert meteor_like(candidate, [reference]) == pytest.approx(expected)


def test_meteor_takes_stems_where_words_differ() -> None:
    assert align_words(words("dogs bark"), words("a dog barks")) == {0: 1, 1: 2}
    assert meteor_like(words("dogs bark"), [words("a dog barks")]) > 0
    assert meteor_like(words("hounds howl"), [words("a dog barks")]) == 0


def test_spider_is_the_mean_of_both() -> None:
    assert spider(cider_d=1.2, spice=0.2) == pytest.approx(0.7)


@pytest.mark.parametrize("name", CAPTION_METRICS)
def test_the_own_text_scores_best_and_nothing_scores_nothing(name: str) -> None:
    own = {m.name: m for m in caption_metrics([refs[0] for refs in REFERENCES], REFERENCES)}
    nothing = {m.name: m for m in caption_metrics([""] * len(REFERENCES), REFERENCES)}
    assert own[name].value() > METRICS[name].value()
    assert nothing[name].value() == 0


@pytest.mark.parametrize("name", CAPTION_METRICS)
def test_weights_are_as_good_as_repeated_clips(name: str) -> None:
    weights = np.array([2.0, 0, 1, 1, 3, 0, 1, 0, 2, 0])
    if name == "cider_d":  # its frequencies stay those of the whole set
        expected = np.average(METRICS[name].rows[:, 0], weights=weights)
    else:
        chosen = np.repeat(np.arange(len(weights)), weights.astype(int))
        some = caption_metrics([CANDIDATES[i] for i in chosen], [REFERENCES[i] for i in chosen])
        expected = {metric.name: metric for metric in some}[name].value()
    assert METRICS[name].measure(weights[None])[0] == pytest.approx(expected)

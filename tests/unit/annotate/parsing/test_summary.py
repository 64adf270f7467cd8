from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.parsing.summary import MAX_WHOLE_PARAGRAPH_WORDS, extract_summary
from earmark.annotate.parsing.text import blank_quotations, count_words, split_sentences
from factories import assert_all

GOLDEN = Path(__file__).parent / "golden" / "summaries.json"


class Example(msgspec.Struct, frozen=True):
    name: str
    text: str
    summary: str


EXAMPLES = msgspec.json.decode(GOLDEN.read_bytes(), type=list[Example])

LINES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "# Scene",
            "**Summary**",
            "**Summary:** Rain falls on a roof.",
            "- a dog",
            "1. rain",
            "---",
            "In summary, a dog barks twice in a yard.",
            "Note: this is a guess.",
            "Rain falls.",
            "",
            "A man says, “It is late. Go home!” and leaves.",
            "| a | b |",
            "> A dog *barks* **twice**.",
        ]
    ),
)
CAPTIONS = st.lists(LINES, max_size=8).flatmap(
    lambda lines: st.sampled_from(["\n", "\n\n", "\r\n", " "]).map(lambda gap: gap.join(lines))
)
PLAIN_WORDS = st.from_regex(r"[a-z]{1,9}", fullmatch=True)
PLAIN_SENTENCES = st.lists(PLAIN_WORDS, min_size=1, max_size=12).map(
    lambda words: " ".join(words).capitalize() + "."
)


def occurs_in_order(part: str, whole: str) -> bool:
    """Whether all characters of `part`, spaces aside, stand in `whole` in this order."""
    rest = iter(whole)
    return all(character in rest for character in part if not character.isspace())


def test_golden() -> None:
    assert_all(
        (example.name, extract_summary(example.text), example.summary) for example in EXAMPLES
    )


@given(CAPTIONS)
def test_every_caption_has_a_summary_and_it_is_its_own_text(text: str) -> None:
    summary = extract_summary(text)
    assert bool(summary) == bool(text.strip())
    assert summary == " ".join(summary.split())
    assert occurs_in_order(summary, text)


@given(st.lists(PLAIN_SENTENCES, min_size=1, max_size=12))
def test_a_single_paragraph_gives_its_end_unchanged(written: list[str]) -> None:
    text = " ".join(written)
    summary = extract_summary(text)
    assert text.endswith(summary)
    if count_words(text) <= MAX_WHOLE_PARAGRAPH_WORDS:
        assert summary == text


@given(st.text())
def test_sentences_lose_nothing(paragraph: str) -> None:
    assert "".join("".join(split_sentences(paragraph)).split()) == "".join(paragraph.split())


@pytest.mark.parametrize(
    ("paragraph", "count"),
    [
        ("It is Mr. Smith. He leaves.", 2),
        ("A tone of approx. 2 s, e.g. a horn, then J. S. Bach etc. and more.", 1),
        ("He asks, “Where? When?” and waits.", 1),
        ("It starts at No. 5. It ends.", 2),
        ("雨が降る。犬が吠える！", 2),
        ("Wait... what? Yes!", 2),
        ("", 0),
    ],
)
def test_sentences(paragraph: str, count: int) -> None:
    assert len(split_sentences(paragraph)) == count


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ('He says "I am sorry" and goes.', 'He says "" and goes.'),
        ("He says “I’m sorry” and ‘don’t’.", 'He says "" and "".'),
        ("the dogs' bark and the cats' cry", "the dogs' bark and the cats' cry"),
        ("she sings 'I can't stay' twice", 'she sings "" twice'),
        ("man sagt „Nein“ und «non»", 'man sagt "" und ""'),
        ('an odd " mark', 'an odd " mark'),
    ],
)
def test_unquoted(text: str, own: str) -> None:
    assert blank_quotations(text) == own


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It's a well-known 3.5 kHz tone.", 6),
        ("一位女士在说话", 4),
        ("— … !", 0),
        ("", 0),
    ],
)
def test_word_count(text: str, count: int) -> None:
    assert count_words(text) == count

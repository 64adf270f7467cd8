from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.backends.chat import MAX_TAGS
from earmark.annotate.parsing.json import LenientJsonReader
from earmark.annotate.parsing.tags import EMPTY_TAGS, TAG_REPAIRS, ParsedTags, parse_tags
from factories import assert_all

GOLDEN = Path(__file__).parent / "golden" / "tag_answers.json"


class Example(msgspec.Struct, frozen=True):
    answer: str
    tags: list[str] | None
    repairs: list[str]


EXAMPLES = msgspec.json.decode(GOLDEN.read_bytes(), type=list[Example])

# Text in the shape of answers: what a model might have meant, cut and joined anyhow.
PIECES = st.sampled_from(
    [
        '["',
        '", "',
        '"]',
        "['",
        "', '",
        "']",
        "{",
        "}",
        ":",
        "```json\n",
        "```",
        "\n- ",
        "\n1. ",
        ",",
        "dog",
        "Rain",
        "heavy metal",
        "null",
        "0.9",
        "#",
        "<think>",
        "</think>",
        "Tags: ",
        "\\",
        "”",
    ]
)
ANSWERS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=6))).map("".join))
WORDS = st.from_regex(r"[a-z]{1,8}[0-9]{0,2}(-[a-z]{1,5})?", fullmatch=True).filter(
    lambda word: word not in EMPTY_TAGS
)


def expected_of(example: Example) -> ParsedTags | None:
    if example.tags is None:
        return None
    return ParsedTags(tuple(example.tags), tuple(example.repairs))


def test_golden() -> None:
    assert_all(
        (example.answer[:40], parse_tags(example.answer), expected_of(example))
        for example in EXAMPLES
    )


def test_the_golden_file_shows_every_repair() -> None:
    shown = {name for example in EXAMPLES for name in example.repairs}
    assert shown == set(TAG_REPAIRS)


@given(st.lists(WORDS, min_size=1, max_size=MAX_TAGS, unique=True))
def test_clean_json_is_read_as_it_stands(words: list[str]) -> None:
    assert parse_tags(json.dumps(words)) == ParsedTags(tuple(words))


@given(ANSWERS)
def test_whatever_is_read_are_tags(answer: str) -> None:
    parsed = parse_tags(answer)
    if parsed is None:
        return
    assert 1 <= len(parsed.tags) <= MAX_TAGS
    assert len(set(parsed.tags)) == len(parsed.tags)
    for tag in parsed.tags:
        assert re.fullmatch(r"[^\W_]+(-[^\W_]+){0,2}", tag)
        assert tag == tag.lower()
    assert list(parsed.repairs) == [name for name in TAG_REPAIRS if name in parsed.repairs]


@given(ANSWERS)
def test_tags_read_once_are_read_again_without_repair(answer: str) -> None:
    parsed = parse_tags(answer)
    if parsed is not None:
        again = parse_tags(json.dumps(parsed.tags))
        assert again == ParsedTags(parsed.tags)


@given(st.lists(WORDS, min_size=2, max_size=MAX_TAGS, unique=True), st.data())
def test_a_cut_list_keeps_its_whole_words(words: list[str], data: st.DataObject) -> None:
    whole = json.dumps(words)
    cut = data.draw(st.integers(len(words[0]) + 3, len(whole) - 1))
    parsed = parse_tags(whole[:cut])
    assert parsed is not None
    assert parsed.repairs == ("truncated",)
    assert parsed.tags == tuple(words[: len(parsed.tags)])


def test_a_lone_surrogate_is_no_crash() -> None:
    assert parse_tags('["dog", "\ud800"]') == ParsedTags(("dog",), ("not text",))


@given(st.text(alphabet="[]{},:\"'` \\ad\n"))
def test_the_loose_reader_always_gets_to_an_end(text: str) -> None:
    reader = LenientJsonReader(text)
    reader.read()
    assert reader.position <= len(text)

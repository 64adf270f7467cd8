from __future__ import annotations

import json
import re

import pytest

from earmark.testing.mock_server.answers import (
    MockAnswer,
    canned_captions,
    extract_tags,
    faulty_caption,
    format_tags,
    truncate_answer,
    untidy_answer,
)
from earmark.testing.mock_server.chat_request import ResponseFormat

RAIN = "Write tags.\n\nDescription:\nHeavy rain falls on a tin roof while a dog barks at thunder."


def test_tags_are_words_of_the_description_and_not_of_the_instruction():
    tags = extract_tags(RAIN, "key")
    assert 5 <= len(tags) <= 10
    assert tags[:4] == ["heavy", "rain", "falls", "roof"]
    assert "write" not in tags


@pytest.mark.parametrize("text", ["", "hm", "Description:\n", "a dog barks"])
def test_even_a_poor_description_gets_five_tags(text: str):
    tags = extract_tags(text, "key")
    assert len(set(tags)) == len(tags) == 5
    assert all(re.fullmatch("[a-z]+", tag) for tag in tags)


def test_a_schema_gives_the_shape_of_the_answer():
    array = {"type": "array", "items": {"type": "string"}}
    labels = {"type": "object", "properties": {"labels": array}}
    formats = {
        "array": ResponseFormat("json_schema", json_schema={"name": "tags", "schema": array}),
        "labels": ResponseFormat("json_object", schema=labels),
        "object": ResponseFormat("json_object"),
    }
    shapes = {name: json.loads(format_tags(["a"], form)) for name, form in formats.items()}
    assert shapes == {"array": ["a"], "labels": {"labels": ["a"]}, "object": {"tags": ["a"]}}
    assert format_tags(["a"], None) == '["a"]'


def test_untidy_tags_come_in_five_forms_that_still_hold_them():
    answers = {
        untidy_answer(["rain", "roof", "dog", "thunder", "storm"], str(n)) for n in range(60)
    }
    assert len(answers) == 5
    assert all("rain" in answer.text and "roof" in answer.text for answer in answers)
    assert {answer.finish_reason for answer in answers} == {"stop", "length"}
    plain = [answer.text for answer in answers if answer.text.startswith("[")]
    assert len(plain) == 2
    for text in plain:
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


def test_faulty_captions_come_in_five_forms():
    caption = canned_captions()[0]
    answers = {faulty_caption(caption, str(n)) for n in range(60)}
    assert len(answers) == 5
    assert caption not in {answer.text for answer in answers}


def test_canned_captions_differ_and_end_in_a_summary():
    captions = canned_captions()
    assert len(set(captions)) == len(captions) == 125
    assert all(c.split("\n\n")[-1].startswith("In summary") for c in captions)


def test_an_answer_over_the_limit_is_cut_and_says_so():
    assert truncate_answer(MockAnswer("x" * 400), 10) == MockAnswer("x" * 40, "length")
    assert truncate_answer(MockAnswer("x" * 40), 10) == MockAnswer("x" * 40)
    assert truncate_answer(MockAnswer("x" * 400), None).finish_reason == "stop"

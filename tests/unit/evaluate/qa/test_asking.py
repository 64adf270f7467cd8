from __future__ import annotations

import msgspec
import numpy as np
import pytest

from earmark.config import ConfigError
from earmark.evaluate.config import QuestionTaskConfig
from earmark.evaluate.qa.multiple_choice import chance_accuracy
from earmark.evaluate.qa.questions import (
    label_fields,
    make_questions,
    question_text,
    statement_text,
)
from earmark.records import Example, Labels
from factories import new_example

CONFIG = QuestionTaskConfig(options=3)


def clips(labels: Labels, count: int = 4, split: str = "train") -> list[Example]:
    return [
        new_example(id=f"{split}-{sorted(labels.items())}-{number}", split=split, labels=labels)
        for number in range(count)
    ]


def kinds(values: str, split: str = "train", count: int = 4) -> list[Example]:
    return [each for value in values for each in clips({"kind": (value,)}, count, split)]


def test_options_are_values_of_train_and_hold_the_answer_once() -> None:
    examples = kinds("abcde") + kinds("abx", "test")
    (field,) = label_fields(examples, CONFIG)
    asked = make_questions(field, "test", CONFIG, seed=0)
    assert len(asked) == 8
    assert field.left_out == 4
    for question in asked:
        assert question.options.count(question.answer) == 1
        assert len(set(question.options)) == 3
        assert set(question.options) <= set("abcde")


def test_equal_seeds_draw_equal_options_whatever_else_is_asked() -> None:
    examples = kinds("abcde") + kinds("abc", "test")
    (field,) = label_fields(examples, CONFIG)
    (backwards,) = label_fields(examples[::-1], CONFIG)
    first = {q.example.id: q for q in make_questions(field, "test", CONFIG, seed=0)}
    again = {q.example.id: q for q in make_questions(backwards, "test", CONFIG, seed=0)}
    other = {q.example.id: q for q in make_questions(field, "test", CONFIG, seed=1)}
    assert first == again
    assert first != other


def test_the_answer_stands_at_every_place_equally_often() -> None:
    (field,) = label_fields(kinds("abcde", count=300) + kinds("ab", "test", 300), CONFIG)
    asked = make_questions(field, "test", CONFIG, seed=0)
    places = np.bincount([q.options.index(q.answer) for q in asked], minlength=3) / len(asked)
    assert np.abs(places - 1 / 3).max() < 0.07


def test_knowing_what_is_frequent_helps_little_where_there_are_many_values() -> None:
    frequencies = {"a": 40, "b": 40, "c": 40, **dict.fromkeys("defghijklm", 4)}
    train = [e for value, count in frequencies.items() for e in kinds(value, "train", count)]
    test = [e for value, count in frequencies.items() for e in kinds(value, "test", count * 5)]
    (field,) = label_fields(train + test, CONFIG)
    asked = make_questions(field, "test", CONFIG, seed=0)
    # Drawn evenly, the false options of the 75 % of clips with a frequent value would be rare.
    assert chance_accuracy(asked, [field]) < 0.45


def test_chance_of_two_values_is_the_share_of_the_frequent_one() -> None:
    examples = kinds("a", "train", 9) + kinds("b", "train", 3)
    examples += kinds("a", "test", 9) + kinds("b", "test", 3)
    (field,) = label_fields(examples, CONFIG)
    assert chance_accuracy(make_questions(field, "test", CONFIG, 0), [field]) == pytest.approx(0.75)


def test_fields_are_found_without_those_that_say_where_a_clip_comes_from() -> None:
    labels = {"kind": ("a",), "dataset": ("x",), "speaker": ("s",), "single": ("only",)}
    others = {"kind": ("b",), "dataset": ("y",), "speaker": ("t",)}
    examples = clips(labels) + clips(others) + [*clips(labels, 1, "test")]
    assert [field.name for field in label_fields(examples, CONFIG)] == ["kind"]
    named = QuestionTaskConfig(fields=("speaker", "single"))
    assert [field.name for field in label_fields(examples, named)] == ["speaker", "single"]


def test_a_field_of_too_many_values_is_asked_of_only_by_name() -> None:
    examples = [each for number in range(201) for each in clips({"kind": (str(number),)}, 1)]
    assert label_fields(examples, CONFIG) == []
    assert label_fields(examples[1:], CONFIG) != []
    assert label_fields(examples, QuestionTaskConfig(fields=("kind",))) != []


def test_clips_of_several_values_are_left_out_and_values_that_sound_alike_are_one() -> None:
    examples = clips({"kind": ("dog_bark", "dog bark")}) + clips({"kind": ("rain",)})
    examples += clips({"kind": ("rain", "wind")}, 2)
    (field,) = label_fields(examples, CONFIG)
    assert dict(field.counts) == {"dog bark": 4, "rain": 4}
    assert field.left_out == 2


def test_where_keeps_what_it_names() -> None:
    examples = [
        each
        for kind in "ab"
        for domain in ("music", "speech")
        for each in clips({"kind": (kind,), "domain": (domain,)})
    ]
    config = QuestionTaskConfig(fields=("kind",), where={"domain": ("music",)})
    (field,) = label_fields(examples, config)
    assert len(field.clips["train"]) == 8


@pytest.mark.parametrize(
    ("examples", "problem"),
    [
        (kinds("ab", "test"), "no train clips with one value"),
        (kinds("a") + kinds("ab", "test"), "too few classes in train"),
        (kinds("ab") + kinds("xy", "test"), "no test clips of the classes in train"),
        (kinds("ab") + kinds("a", "test"), "one class in test"),
        (kinds("ab") + kinds("ab", "test"), ""),
    ],
)
def test_what_cannot_be_asked_has_a_reason(examples: list[Example], problem: str) -> None:
    (field,) = label_fields(examples, QuestionTaskConfig(fields=("kind",)))
    assert field.problem == problem


@pytest.mark.parametrize("place", ["fields", "question", "statement", "where"])
def test_a_misspelt_field_is_an_error_with_the_nearest_name(place: str) -> None:
    values = {"fields": ("knid",), "question": {"knid": "?"}, "statement": {"knid": "{}"}}
    given = values.get(place, {"knid": ("a",)})
    with pytest.raises(ConfigError, match="Did you mean 'kind'"):
        label_fields(kinds("ab"), msgspec.convert({place: given}, QuestionTaskConfig))


def test_questions_are_said_as_people_would() -> None:
    own = QuestionTaskConfig(question={"gender": "Who is it?"}, statement={"gender": "it is {}"})
    assert question_text("gender", {"male", "female"}, own) == "Who is it?"
    assert statement_text("gender", "male", own) == "it is male"
    assert question_text("drums", {"yes", "no"}, CONFIG) == "Does this sound have drums?"
    assert statement_text("drums", "no", CONFIG) == "the sound of no drums"
    assert statement_text("drums", "yes", CONFIG) == "the sound of drums"
    assert question_text("sound_level", {"a", "b"}, CONFIG).endswith(
        "the sound level of this sound?"
    )
    assert statement_text("instrument", "flute", CONFIG) == "the sound of flute"

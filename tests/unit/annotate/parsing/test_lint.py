from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.parsing.language import Language, is_foreign
from earmark.annotate.parsing.lint import LINT_REASONS, LintConfig, lint_caption
from earmark.annotate.parsing.lint_rules import is_repetitive
from earmark.config import ConfigError, decode_config
from factories import assert_all

GOLDEN = Path(__file__).parent / "golden" / "lint.json"
GOOD = "A dog barks twice in a yard while rain falls on a roof of tin."


class Example(msgspec.Struct, frozen=True):
    name: str
    text: str
    reason: str | None
    finish_reason: str = "stop"
    instruction: str = ""
    language: Language = "en"
    min_words: int = 8


EXAMPLES = msgspec.json.decode(GOLDEN.read_bytes(), type=list[Example])


def reason_of(example: Example) -> str | None:
    config = LintConfig(language=example.language, min_words=example.min_words)
    return lint_caption(example.text, example.finish_reason, config, example.instruction)


def test_golden() -> None:
    assert_all((example.name, reason_of(example), example.reason) for example in EXAMPLES)


def test_the_golden_file_shows_every_reason() -> None:
    assert {example.reason for example in EXAMPLES} == {None, *LINT_REASONS}


@given(st.text(), st.sampled_from(["stop", "length", ""]), st.text(max_size=40))
def test_any_text_gets_a_known_reason_or_none(text: str, finish_reason: str, asked: str) -> None:
    found = lint_caption(text, finish_reason, LintConfig(), asked)
    assert found is None or found in LINT_REASONS
    assert (found == "empty") == (not text.strip())


def test_switched_off_it_only_finds_empty_answers() -> None:
    off = LintConfig(enabled=False)
    assert_all(
        (
            example.name,
            lint_caption(example.text, example.finish_reason, off),
            None if example.text.strip() else "empty",
        )
        for example in EXAMPLES
    )


def test_an_unknown_language_is_named_in_the_error() -> None:
    with pytest.raises(ConfigError, match="language"):
        decode_config({"language": "english"}, LintConfig)


@pytest.mark.parametrize(("times", "repetitive"), [(6, False), (7, True)])
def test_words_may_stand_as_often_as_the_recipe_says(times: int, repetitive: bool) -> None:
    refrain = "row, row, row your boat, "
    assert is_repetitive(f"{GOOD} {refrain * times}", 6, 1.0) == repetitive


def test_a_share_of_the_text_may_be_repeated() -> None:
    verses = " ".join(f"{number} lambs leap over the old gate." for number in range(12))
    assert is_repetitive(verses, 100, 0.3)
    assert not is_repetitive(verses, 100, 0.9)


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), max_size=200, unique=True))
def test_text_without_repeated_words_never_loops(words: list[str]) -> None:
    assert not is_repetitive(" ".join(words), 1, 0.01)


@given(st.text(), st.sampled_from(["en", "de", "fr", "es", "it", "pt", "nl", "zh", "ja", "ko"]))
def test_short_text_is_not_foreign(text: str, language: Language) -> None:
    assert not is_foreign(text[:4], language)
    assert not is_foreign(text, "any")

import pytest

from earmark.evaluate.words import ngrams, stem, tokenize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog barks, twice.", "a dog barks twice"),
        ("It doesn't stop!", "it does n't stop"),
        ("the dog’s bark", "the dog 's bark"),
        ("a well-known tune at 1.5 kHz", "a well-known tune at 1.5 khz"),
        ('"Rain" -- and (wind) ...', "rain and wind"),
        ("door_slam.wav", "door slam.wav"),
        ("Une ÉCLUSE", "une écluse"),
        ("...", ""),
    ],
)
def test_words_of_a_text(text: str, expected: str) -> None:
    assert " ".join(tokenize(text)) == expected


def test_ngrams_are_all_runs_of_words() -> None:
    assert ngrams(("a", "b", "c"), 2) == [("a", "b"), ("b", "c")]
    assert ngrams(("a",), 2) == []


@pytest.mark.parametrize(
    "forms",
    [
        ("bark", "barks", "barked", "barking"),
        ("make", "makes", "making"),
        ("run", "runs", "running"),
        ("city", "cities"),
        ("splash", "splashes", "splashing", "splashed"),
        ("voice", "voices"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("sing", "s"), ("glass", "glas"), ("bed", "b"), ("bell", "bel")]
)
def test_other_words_keep_theirs(one: str, other: str) -> None:
    assert stem(one) != stem(other)

"""The mock server's captions and tags, which depend on the content alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import product

import msgspec

from earmark.testing.mock_server.chat_request import ResponseFormat
from earmark.testing.mock_server.faults import seeded_uniform

_COMMON_WORD_LIST = """
about above after also audible being below between both clip could decibels does each ends from goes
hear heard hears hertz hold holds into itself lasts like made many more most near none only other
over part recording scale second seconds should sign some such summary than that their them then
there these they this those through times under until very what when where which while whose will
with within without would your
"""
_COMMON_WORDS = frozenset(_COMMON_WORD_LIST.split())
_SPARE_TAGS = ("sound", "recording", "audio", "clip", "ambience")
_MIN_TAGS, _MAX_TAGS = 5, 10
_CHARACTERS_PER_TOKEN = 4


class MockAnswer(msgspec.Struct, frozen=True):
    """A text, and why it ended there: "stop", or "length" where it was cut."""

    text: str
    finish_reason: str = "stop"


def canned_captions() -> list[str]:
    """Return captions to pick from where nothing is listened to."""
    places = ("a busy street", "a quiet room", "a wide hall", "a windy field", "a small studio")
    sources = ("a dog barking", "a man speaking", "a piano playing", "rain falling", "an engine")
    moods = ("calm", "tense", "lively", "distant", "intimate")
    return [_canned_caption(*words) for words in product(places, sources, moods)]


def extract_tags(text: str, key: str) -> list[str]:
    """Return 5 to 10 words of the description that a text ends with, in their order."""
    description = text.rpartition("Description:")[2].lower()
    words: list[str] = re.findall(r"[a-z]{4,}", description)
    found = list(dict.fromkeys(word for word in words if word not in _COMMON_WORDS))
    wanted = _MIN_TAGS + int(seeded_uniform("tags", key) * (_MAX_TAGS - _MIN_TAGS + 1))
    spare = [word for word in _SPARE_TAGS if word not in found]
    return [*found[:wanted], *spare[: max(0, _MIN_TAGS - len(found))]]


def format_tags(tags: Sequence[str], form: ResponseFormat | None) -> str:
    """Return tags as JSON in the shape that a response format asks for."""
    if form is None or form.type == "text":
        return _json(tags)
    schema = form.json_schema_body()
    if schema.get("type") == "array":
        return _json(tags)
    lists = [name for name, of in schema.get("properties", {}).items() if of["type"] == "array"]
    return _json({lists[0] if lists else "tags": tags})


def untidy_answer(tags: Sequence[str], key: str) -> MockAnswer:
    """Return tags as a model writes them that is held to nothing."""
    forms: tuple[Callable[[Sequence[str]], MockAnswer], ...] = (
        lambda tags: MockAnswer(f"```json\n{_json(tags)}\n```"),
        lambda tags: MockAnswer(f"Sure! Here are the tags:\n\n{_json(tags)}\n\nLet me know!"),
        lambda tags: MockAnswer(str(list(tags))),
        lambda tags: MockAnswer(
            _json({"scene": tags[:1], "sources": tags[1:3], "traits": tags[3:]})
        ),
        lambda tags: MockAnswer(_json(tags)[:-4], "length"),
    )
    return forms[int(seeded_uniform("untidy", key) * len(forms))](tags)


def faulty_caption(caption: str, key: str) -> MockAnswer:
    """Return a caption as a model writes it that has lost its way."""
    middle = caption[: len(caption) // 2]
    forms = (
        MockAnswer(middle + " and the sound goes on and on" * 60, "length"),
        MockAnswer("I'm sorry, but I can't help with describing this audio."),
        MockAnswer("Describe the audio in detail. Do not guess. Write a summary at the end."),
        MockAnswer(f"{middle} (speech: 0.8731, music: 0.0412, logprob=-0.13)\n\n{caption}"),
        MockAnswer(middle, "length"),
    )
    return forms[int(seeded_uniform("lint", key) * len(forms))]


def count_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def truncate_answer(answer: MockAnswer, max_tokens: int | None) -> MockAnswer:
    """Cut an answer off where the request's limit says."""
    if max_tokens is None or count_tokens(answer.text) <= max_tokens:
        return answer
    return MockAnswer(answer.text[: max_tokens * _CHARACTERS_PER_TOKEN], "length")


def _canned_caption(place: str, source: str, mood: str) -> str:
    return (
        f"The recording takes place in {place}. From the start one hears {source}, close to the "
        "microphone, while faint background noise stays underneath.\n\n"
        f"The mood is {mood}. The sound is clear and natural, without distortion, and fades "
        "slowly towards the end.\n\n"
        f"In summary, this is a {mood} recording of {source} in {place}."
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

"""The mock server's captions and tags, which depend on the content alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import product

import msgspec

from earmark.testing.mock_server.chat_request import ResponseFormat
from earmark.testing.mock_server.faults import chance

_COMMON = """
about above after also audible being below between both clip could decibels does each ends from goes
hear heard hears hertz hold holds into itself lasts like made many more most near none only other
over part recording scale second seconds should sign some such summary than that their them then
there these they this those through times under until very what when where which while whose will
with within without would your
"""
_DULL = frozenset(_COMMON.split())
_SPARE = ("sound", "recording", "audio", "clip", "ambience")
_FEWEST, _MOST = 5, 10
_CHARACTERS_PER_TOKEN = 4


class Answer(msgspec.Struct, frozen=True):
    """A text, and why it ended there: "stop", or "length" where it was cut."""

    text: str
    finish_reason: str = "stop"


def canned_captions() -> list[str]:
    """Return captions to pick from where nothing is listened to."""
    places = ("a busy street", "a quiet room", "a wide hall", "a windy field", "a small studio")
    sources = ("a dog barking", "a man speaking", "a piano playing", "rain falling", "an engine")
    moods = ("calm", "tense", "lively", "distant", "intimate")
    return [_canned(*words) for words in product(places, sources, moods)]


def tags_of(text: str, key: str) -> list[str]:
    """Return 5 to 10 words of the description that a text ends with, in their order."""
    description = text.rpartition("Description:")[2].lower()
    words: list[str] = re.findall(r"[a-z]{4,}", description)
    found = list(dict.fromkeys(word for word in words if word not in _DULL))
    wanted = _FEWEST + int(chance("tags", key) * (_MOST - _FEWEST + 1))
    spare = [word for word in _SPARE if word not in found]
    return [*found[:wanted], *spare[: max(0, _FEWEST - len(found))]]


def write_tags(tags: Sequence[str], form: ResponseFormat | None) -> str:
    """Return tags as JSON in the shape that a response format asks for."""
    if form is None or form.type == "text":
        return _json(tags)
    schema = form.wanted()
    if schema.get("type") == "array":
        return _json(tags)
    lists = [name for name, of in schema.get("properties", {}).items() if of["type"] == "array"]
    return _json({lists[0] if lists else "tags": tags})


def untidy(tags: Sequence[str], key: str) -> Answer:
    """Return tags as a model writes them that is held to nothing."""
    forms: tuple[Callable[[Sequence[str]], Answer], ...] = (
        lambda tags: Answer(f"```json\n{_json(tags)}\n```"),
        lambda tags: Answer(f"Sure! Here are the tags:\n\n{_json(tags)}\n\nLet me know!"),
        lambda tags: Answer(str(list(tags))),
        lambda tags: Answer(_json({"scene": tags[:1], "sources": tags[1:3], "traits": tags[3:]})),
        lambda tags: Answer(_json(tags)[:-4], "length"),
    )
    return forms[int(chance("untidy", key) * len(forms))](tags)


def with_fault(caption: str, key: str) -> Answer:
    """Return a caption as a model writes it that has lost its way."""
    middle = caption[: len(caption) // 2]
    forms = (
        Answer(middle + " and the sound goes on and on" * 60, "length"),
        Answer("I'm sorry, but I can't help with describing this audio."),
        Answer("Describe the audio in detail. Do not guess. Write a summary at the end."),
        Answer(f"{middle} (speech: 0.8731, music: 0.0412, logprob=-0.13)\n\n{caption}"),
        Answer(middle, "length"),
    )
    return forms[int(chance("lint", key) * len(forms))]


def count_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def shorten(answer: Answer, max_tokens: int | None) -> Answer:
    """Cut an answer off where the request's limit says."""
    if max_tokens is None or count_tokens(answer.text) <= max_tokens:
        return answer
    return Answer(answer.text[: max_tokens * _CHARACTERS_PER_TOKEN], "length")


def _canned(place: str, source: str, mood: str) -> str:
    return (
        f"The recording takes place in {place}. From the start one hears {source}, close to the "
        "microphone, while faint background noise stays underneath.\n\n"
        f"The mood is {mood}. The sound is clear and natural, without distortion, and fades "
        "slowly towards the end.\n\n"
        f"In summary, this is a {mood} recording of {source} in {place}."
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

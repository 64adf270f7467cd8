"""A lenient JSON reader for what language models write where JSON was requested.

It reads lists, objects, strings in any quotation marks and bare words, with missing or surplus
commas, up to a missing end. It records by name what it had to repair. It never raises: what it
cannot read is None.
"""

from __future__ import annotations

import re

JsonValue = str | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

MAX_DEPTH = 8
"""Deeper nesting is not read: no list of tags has it, and a loop of brackets does."""

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`", "«": "»"}
_BARE = re.compile(r"[^\[\]{},:\"“”\n]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "null": None,
    "none": None,
    "True": True,
    "False": False,
    "None": None,
}
_AFTER_STRING = re.compile(r"\s*(?:[,\]}:]|$)|\s+[\"'“‘`]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": " ", "f": " "}


class LenientJsonReader:
    """Reads one value from `text`, from `position` on, which it moves to the value's end.

    Attributes:
        repairs: what was forgiven: "single quotes" (any but double ones), "trailing comma" (one
            too many or too few), "bare list" (words without quotes), "truncated".
        whole: whether the value that `read` returned was closed.
    """

    def __init__(self, text: str, position: int = 0) -> None:
        self.text = text
        self.position = position
        self.repairs: set[str] = set()
        self.whole = True

    def read(self, depth: int = 0) -> JsonValue:
        """Return the value that begins here, past spaces; None where none does."""
        mark = self._next()
        if mark in "[{" and mark:
            if depth >= MAX_DEPTH:
                self._give_up()
                return None
            self.position += 1
            return self._list(depth) if mark == "[" else self._object(depth)
        if mark in _QUOTES:
            return self._string(mark)
        return self._bare_word()

    def _next(self) -> str:
        """Skip spaces; return the next character, "" at the end."""
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1
        return self.text[self.position : self.position + 1]

    def _list(self, depth: int) -> list[JsonValue]:
        items: list[JsonValue] = []
        while self._continues("]", first=not items):
            before = self.position
            value = self.read(depth + 1)
            if self.whole or isinstance(value, list | dict):
                items.append(value)
            if self.position == before:
                self.position += 1
        return items

    def _object(self, depth: int) -> dict[str, JsonValue]:
        members: dict[str, JsonValue] = {}
        while self._continues("}", first=not members):
            before = self.position
            key = self.read(depth + 1)
            value: JsonValue = None
            if self._next() == ":":
                self.position += 1
                value = self.read(depth + 1)
            if isinstance(key, str) and (self.whole or isinstance(value, list | dict)):
                members[key] = value
            if self.position == before:
                self.position += 1
        return members

    def _continues(self, close: str, *, first: bool) -> bool:
        """Step over commas to the next item; False at the end, which is stepped over too."""
        commas = 0
        while (mark := self._next()) == ",":
            commas += 1
            self.position += 1
        if not mark:
            self._give_up()
            return False
        if mark in "]}":
            if commas:
                self.repairs.add("trailing comma")
            self.position += 1
            return False
        if commas != (0 if first else 1):
            self.repairs.add("trailing comma")
        return True

    def _string(self, mark: str) -> str:
        """Read a string; a quotation mark inside a word, as an apostrophe, does not end it."""
        if mark != '"':
            self.repairs.add("single quotes")
        close, characters = _QUOTES[mark], list[str]()
        at = self.position + 1
        while at < len(self.text):
            character = self.text[at]
            if character == "\\" and (escape := _ESCAPE.match(self.text, at)):
                characters.append(_unescape(escape))
                at = escape.end()
                continue
            if character == close and (mark == '"' or _AFTER_STRING.match(self.text, at + 1)):
                self.position = at + 1
                return "".join(characters)
            characters.append(character)
            at += 1
        self._give_up()
        return "".join(characters)

    def _bare_word(self) -> JsonValue:
        found = _BARE.match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        word = found.group().strip()
        if self.position == len(self.text):
            self._give_up()
        if word in _WORDS:
            return _WORDS[word]
        if _NUMBER.fullmatch(word):
            return float(word)
        self.repairs.add("bare list")
        return word

    def _give_up(self) -> None:
        """Go to the end: the text stopped before the value did."""
        self.repairs.add("truncated")
        self.position = len(self.text)
        self.whole = False


def _unescape(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    return _ESCAPED.get(escape[2], escape[2])

"""The sentences that synthetic speakers say, combined from templates in eight languages."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources

import msgspec
import numpy as np

PACKAGE = __name__.rpartition(".")[0]
REMARK_SHARE = 0.3
"""How many sentences are fixed remarks (questions, requests, greetings) and not statements."""


class Phrasebook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sentence parts of one language; `voice` is espeak-ng's name of the language."""

    voice: str
    subjects: tuple[str, ...]
    predicates: tuple[str, ...]
    circumstances: tuple[str, ...]
    remarks: tuple[str, ...]


@functools.cache
def phrasebooks() -> Mapping[str, Phrasebook]:
    """Return the phrasebook of every language, by its English name in lower case."""
    text = resources.files(PACKAGE).joinpath("sentences.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Phrasebook])


def sentence(book: Phrasebook, rng: np.random.Generator) -> str:
    """Draw one sentence with its final punctuation."""
    if rng.random() < REMARK_SHARE:
        return _draw(book.remarks, rng)
    subject = _draw(book.subjects, rng)
    return f"{subject} {_draw(book.predicates, rng)} {_draw(book.circumstances, rng)}."


def _draw(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]

"""When two names mean the same: by the vectors of a sentence encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from earmark.annotate.sentence_encoder import TEMPLATE, Meaning

NEAR = 0.89
"""Cosine from which two names mean the same, chosen on AudioSet's names and MiniLM.

Opposites lie below it (slow and fast, loud and quiet 0.86, high- and low-pitched 0.887), and so do
all but 5 of 2,537 pairs of siblings in the ontology (clapping and applause among these 5; dog and
cat, violin and cello 0.76). It misses much: of 104 pairs of names that AudioSet gives to one class
it joins 11 ("gunshot" and "gunfire", not "neigh" and "whinny"). At 0.80 it joins 33 of them, and 35
siblings, and takes "male" for "female".
"""


class Remembered:
    """Embeds each text once: an audit holds the same tags against many lists."""

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._known: dict[str, Float32[np.ndarray, " dim"]] = {}

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        """Return a unit vector for each text."""
        new = sorted(set(texts).difference(self._known))
        if new:
            self._known.update(zip(new, self._meaning.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def embed_names(
    names: Sequence[tuple[str, ...]], meaning: Meaning
) -> Float32[np.ndarray, "names dim"]:
    """Return a unit vector for each name, given as its words; there is at least one."""
    return meaning.embed([TEMPLATE.format(" ".join(words)) for words in names])

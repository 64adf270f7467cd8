"""Plural and singular, and forms of one verb: by rules, with the exceptions of `irregular.toml`.

A corpus decides what is merged: only forms that it shows beside each other. The rules decide what
may be merged at all, and rather leave two forms of a word apart than join two words.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from earmark.annotate.vocabulary.normalize.surface import change_words, tag_words

_BREAKS = re.compile(r"[\s_-]+")
_DOUBLED = re.compile(r"(?:un)?[^aeiou]*[aeiou][^aeiouwxy]")  # hum, humming; unzip, unzipping
_SIBILANT = re.compile(r".+(?:ss|x|zz|ch|sh|[^aeio]o)es")
_NO_PLURAL = re.compile(r".*(?:[sui]s|ics|[^a-z]s)|.{,3}")
_SHORT_IES = 4  # ties, pies, lies: the singular has the -ie


@dataclass(frozen=True)
class _InflectionTable:
    verbs: Mapping[str, str]
    plurals: Mapping[str, str]
    unchanged: frozenset[str]


def lemmatize(tag: str) -> str:
    """Return the base form of a name, word by word: "dogs barking" and "dog-barks": "dog bark".

    Words are lower case and joined by spaces. Verbs that `irregular.toml` does not list stay as
    they are.
    """
    return " ".join(lemmatize_word(word) for word in _BREAKS.split(tag.casefold()) if word)


def singularize(word: str) -> str:
    """Return the singular of a lower-case noun, or the word as it is where it is no plural."""
    words = _load_inflections()
    if known := words.plurals.get(word):
        return known
    if not word.endswith("s") or word in words.unchanged or _NO_PLURAL.fullmatch(word):
        return word
    if word.endswith("ies") and len(word) > _SHORT_IES:
        one = word[:-3] + "y"
    else:
        one = word[:-2] if _SIBILANT.fullmatch(word) else word[:-1]
    return words.plurals.get(one, one)  # "childrens" is there


def lemmatize_word(word: str) -> str:
    """Return the base form of one lower-case word."""
    one = singularize(word)
    return _load_inflections().verbs.get(one, one)


def merge_inflections(frequencies: Mapping[str, int]) -> dict[str, str]:
    """Return {tag: tag that it is counted as} of tags of which the corpus shows several forms.

    A plural goes to its singular. Of what then is left of a family (forms of a verb, or plurals
    whose singular the corpus lacks) all go to the most frequent, of equals to the shortest, then
    to the first by the alphabet.
    """
    table = _load_inflections()
    forms = table.plurals.keys() | table.verbs.keys()
    inflected = [word for word in tag_words(frequencies) if word[-1:] == "s" or word in forms]
    bases = change_words(frequencies, lemmatize_word, inflected)
    singles = change_words(bases, singularize)
    changes = {tag: single for tag, single in singles.items() if single in frequencies}
    left = Counter(
        {tag: frequencies[tag] for tag in (*bases, *bases.values()) if tag in frequencies}
    )
    for tag, single in changes.items():
        left[single] += left.pop(tag)
    for family in _families(left, bases):
        kept = min(family, key=lambda tag: (-left[tag], len(tag), tag))
        changes |= {tag: kept for tag in family if tag != kept}
    return {tag: changes.get(single, single) for tag, single in changes.items()}


def _families(left: Mapping[str, int], bases: Mapping[str, str]) -> Iterator[list[str]]:
    families: dict[str, list[str]] = defaultdict(list)
    for tag, base in bases.items():
        if tag in left:
            families[base].append(tag)
    for base, family in families.items():
        members = [*family, base] if base in left else family
        if len(members) > 1:
            yield members


@lru_cache(maxsize=1)
def _load_inflections() -> _InflectionTable:
    text = resources.files(__package__ or "").joinpath("irregular.toml").read_text("utf-8")
    table = tomllib.loads(text)
    verbs = {form: verb for verb in table["verbs"]["regular"].split() for form in _verb_forms(verb)}
    plurals: dict[str, str] = table["plurals"]
    unchanged = {*table["unchanged"]["words"].split(), *plurals.values()}
    return _InflectionTable(verbs | table["verbs"]["irregular"], plurals, frozenset(unchanged))


def _verb_forms(verb: str) -> Iterator[str]:
    """Give the -ing form and the past of a regular verb."""
    stem = verb
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        stem = verb[:-1]
    elif _DOUBLED.fullmatch(verb):
        stem = verb + verb[-1]
    yield stem + "ing"
    past = re.sub(r"(?<=[^aeiou])y$", "i", verb) if verb.endswith("y") else stem
    yield past + ("d" if past.endswith("e") else "ed")

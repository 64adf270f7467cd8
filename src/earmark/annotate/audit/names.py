"""Names of classes and tags as words, so that spelling and grammar do not part what is the same.

A class name may hold several names of one class, and more than one word in each:

    "Male speech, man speaking"     male speech | man speaking
    "Whimper (dog)"                 whimper
    "crying_baby"                   crying baby
    "Drawer open or close"          drawer open (or) close
    "instrument---electricguitar"   electricguitar
"""

from __future__ import annotations

import re
from functools import lru_cache

from earmark.annotate.vocabulary.normaliser.spelling import american_word
from earmark.annotate.vocabulary.normalize.inflection import word_lemma

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
SYNONYMS = re.compile(r"[,;/|]|\betc\b\.?")
NAMESPACE = "---"
"""What MTG-Jamendo writes between a tag and the kind of tag it is."""

GRAMMAR = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
)
"""Words that say nothing of what is heard by themselves."""

LEADS = frozenset({"playing", "people", "person", "using"})
"""First words that VGGSound writes ("playing violin", "people sneezing") and taggers do not."""

DENIALS = frozenset({"no", "non", "not", "without", "lacking", "absence"})


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a tag or name in lower case: "Hi-hat" is hi and hat."""
    return tuple(WORD.findall(text.casefold()))


def spelling(words: tuple[str, ...]) -> str:
    """Return what "hi-hat", "Hi hat" and "hihat" have in common."""
    return "".join(words)


def alternatives(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the names that a class name holds, each as its words; at least one unless blank."""
    own = name.rpartition(NAMESPACE)[2]
    without_remarks = re.sub(r"\([^)]*\)", " ", own)
    found = dict.fromkeys(words_of(part) for part in SYNONYMS.split(without_remarks))
    found.pop((), None)
    return tuple(found) or ((words_of(own),) if words_of(own) else ())


@lru_cache(maxsize=2**16)
def lemmas_of(words: tuple[str, ...]) -> frozenset[str]:
    """Return the lemmas, in American spelling, of the words that say what is heard.

    Of all words where there are none but grammar.
    """
    if len(words) > 1 and words[0] in LEADS:
        words = words[1:]
    telling = [word for word in words if word not in GRAMMAR]
    plain = (american_word(re.sub("['’]s$", "", word)) for word in telling or words)
    return frozenset(map(word_lemma, plain))


@lru_cache(maxsize=2**16)
def denies(name: str) -> bool:
    """Return whether a label says what is not heard ("no voices"), which no tag is to name."""
    return not DENIALS.isdisjoint(words_of(name)[:1])

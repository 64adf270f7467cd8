"""From a parsed caption to its tags: which words can be tags, and which are the most useful.

Candidates are nouns, adjectives (among them participles before a noun) and -ing verbs, as in the
paper's part-of-speech baseline (section 3.1), and verbs of sound in any tense ("a dog barks").
Each tag is one lower-case word, singular; -ing forms stay. A hyphenated word of two parts is one
word and keeps its hyphen ("high-pitched").

Negated words are left out ("no speech", "without music", "not reverberant"): a captioner that says
what it did not hear would otherwise teach the encoder that it did. The scope of a negation is read
from the dependency tree (Universal-style labels of spaCy's English models): the governed subtree,
up to an exception ("nothing but rain").
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from earmark.annotate.backends.lexical.words import (
    ABSENCE_WORDS,
    CAPTION_WORDS,
    EXCEPTION_WORDS,
    EXISTENCE_PREDICATES,
    MEASURE_WORDS,
    NEGATIVE_WORDS,
    OPEN_COMPOUNDS,
    SINGULARS,
    SOUND_VERBS,
    STRONG_MODIFIERS,
    TAG_PARTICIPLES,
    USAGE_VERBS,
    WEAK_TAGS,
)

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span, Token


SUBJECT_RELATIONS = frozenset({"nsubj", "nsubjpass", "csubj"})

COMPLEMENT_RELATIONS = frozenset(
    {"acomp", "attr", "dobj", "oprd", "xcomp", "pobj", "prep", "agent"}
)

CLAUSE_RELATIONS = frozenset({"advcl", "ccomp", "parataxis", "relcl"})


def negated_positions(doc: Doc) -> set[int]:
    """Return the positions of the tokens that the caption says are not there."""
    positions: set[int] = set()
    for token in doc:
        for scope in _negated_heads(token):
            positions.update(inner.i for inner in _negated_subtree(scope))
    return positions


def _negated_heads(token: Token) -> Iterator[Token]:
    """Yield the heads of what `token` denies."""
    word = token.lower_
    if token.dep_ == "neg":
        yield from _negated_by_not(token)
    elif word in NEGATIVE_WORDS and token.dep_ in {"det", "amod", "advmod", "preconj"}:
        yield token.head
    elif _leads_negated_phrase(token):
        yield from token.children
        if token.dep_ == "cc":
            yield from (c for c in token.head.children if c.dep_ == "conj" and c.i > token.i)
    elif token.lemma_.lower() in ABSENCE_WORDS:
        yield from _negated_by_lack(token)


def _leads_negated_phrase(token: Token) -> bool:
    """Whether `token` leads the phrase of "without X", "instead of X" or "rather than X"."""
    before = token.nbor(-1).lower_ if token.i else ""
    if token.lower_ == "than":
        return before in {"rather", "other"}
    if token.lower_ == "of":
        return before == "instead"
    return token.lower_ in {"without", "minus", "unlike"}


def _negated_by_not(token: Token) -> Iterator[Token]:
    """ "is not reverberant": the complements; "cannot be heard": the subject as well."""
    head = token.head
    if token.i + 1 < len(token.doc) and token.nbor(1).lower_ == "only":
        return
    if head.pos_ not in {"AUX", "VERB"} or head.tag_ == "VBG":
        yield head
        return
    complements = [child for child in head.children if child.dep_ in COMPLEMENT_RELATIONS]
    yield from complements
    predicates = {head.lemma_.lower(), *(c.lemma_.lower() for c in complements)}
    bare = head.pos_ == "AUX" and not complements
    if bare or (predicates & (EXISTENCE_PREDICATES - {"be", "contain", "record"})):
        yield from (child for child in head.children if child.dep_ in SUBJECT_RELATIONS)


def _negated_by_lack(token: Token) -> Iterator[Token]:
    """ "lacks bass", "absence of speech": what it governs; "music is absent": the subject."""
    doubly = any(child.dep_ == "neg" or child.lower_ == "no" for child in token.children)
    if doubly:
        return
    if token.lemma_.lower() in {"absent", "missing"} and token.dep_ == "acomp":
        yield from (child for child in token.head.children if child.dep_ in SUBJECT_RELATIONS)
    else:
        yield from (child for child in token.children if child.dep_ in {"dobj", "prep", "pobj"})


def _negated_subtree(scope: Token) -> Iterator[Token]:
    """Yield `scope` and what hangs from it, without other clauses and exceptions."""
    yield scope
    contrasted = any(c.dep_ == "cc" and c.lower_ in {"but", "yet"} for c in scope.children)
    for child in scope.children:
        if child.lower_ in EXCEPTION_WORDS or child.dep_ in CLAUSE_RELATIONS | SUBJECT_RELATIONS:
            continue
        if child.dep_ == "conj" and (contrasted or _is_clause(child)):
            continue
        yield from _negated_subtree(child)


def _is_clause(token: Token) -> bool:
    return any(child.dep_ in SUBJECT_RELATIONS or child.dep_ == "expl" for child in token.children)


TAG_PATTERN = re.compile(r"[a-z][a-z0-9]+(-[a-z0-9]+)?|[a-z]-[a-z]{2,}|r&b")
"""One word, or two that a hyphen joins; a single letter only before one ("e-guitar")."""

QUOTATION = re.compile(r"[\"“]([^\"“”\n]{1,2000})[\"”]")

MAX_QUOTED_WORDS = 3

SUMMARY_CUE = re.compile(
    r"\b(In (summary|short|essence|conclusion)|To summari[sz]e|Overall|Summary:|Conclusion:)"
)
"""What opens a closing summary that has no paragraph of its own."""

DEPENDENCY_WEIGHTS = {
    "amod": 0.5,
    "acomp": 0.65,
    "compound": 0.75,
    "nmod": 0.75,
    "poss": 0.85,
    "npadvmod": 0.5,
    "advmod": 0.5,
}
"""By dependency; heads (subjects, objects, roots, conjuncts) weigh 1, scenes ("in a hall") 0.8."""

SCENE_PREPOSITIONS = frozenset({"in", "at", "on", "inside", "outside", "near", "through", "during"})


def extract_tags(doc: Doc, max_tags: int) -> list[str]:
    """Return at most `max_tags` tags of a caption, the most useful first.

    A tag's worth is its best occurrence (grammatical role times place) times up to 2 for being
    repeated, times 0.5 where the word is thin (`WEAK_TAGS`). Ties go to what is said first.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for tag, weight in _occurrences(doc):
        found[tag].append(weight)
    worth = {tag: _usefulness(tag, weights) for tag, weights in found.items()}
    return sorted(worth, key=lambda tag: -worth[tag])[:max_tags]


def _usefulness(tag: str, weights: list[float]) -> float:
    repetition = 1 + 0.25 * min(len(weights) - 1, 4)
    return max(weights) * repetition * (0.5 if tag in WEAK_TAGS else 1.0)


def _occurrences(doc: Doc) -> Iterator[tuple[str, float]]:
    """Yield each candidate where it stands, with what its role and place there make of it."""
    skipped = negated_positions(doc) | _quoted_positions(doc)
    summary_start = _summary_start(doc.text)
    for number, sentence in enumerate(doc.sents):
        hypothetical = 0.4 if _is_hypothetical(sentence) else 1.0
        for token in sentence:
            tag = _candidate_tag(token)
            if tag is None or token.i in skipped:
                continue
            place = _position_weight(token, number, in_summary=0 <= summary_start < token.idx)
            yield tag, _role_weight(token) * place * hypothetical


def _summary_start(text: str) -> int:
    """Return where the closing summary starts: the last paragraph, or its cue; -1 for none."""
    cues = [match.start() for match in SUMMARY_CUE.finditer(text)]
    return max(text.rfind("\n\n"), *cues[-1:], -1)


def _candidate_tag(token: Token) -> str | None:
    """Return the tag that a token would make, or None."""
    word = _tag_form(token)
    if word is None or not TAG_PATTERN.fullmatch(word) or word in CAPTION_WORDS or token.like_num:
        return None
    if "-" not in word and token.i + 1 < len(token.doc) and token.nbor(1).lower_ == "quality":
        return None  # the "tinny" of "tinny quality" is what the quality is, not what is heard
    first, *rest = word.split("-")
    is_measure = bool(rest) and not MEASURE_WORDS.isdisjoint((first, *rest))
    return None if is_measure or (rest and first == "non") else word


def _tag_form(token: Token) -> str | None:
    """Return the form that a noun, an adjective, an -ing verb or a verb of sound has as a tag."""
    compound = _open_compound(token)
    if compound is not None:
        return compound or None
    word = token.lower_
    if token.pos_ == "VERB" and token.lemma_.lower() in SOUND_VERBS:
        return SOUND_VERBS[token.lemma_.lower()]
    if token.tag_ == "VBG" or (token.pos_ == "NOUN" and word.endswith("ing")):
        return word
    if word in TAG_PARTICIPLES or (token.tag_ == "VBN" and token.dep_ == "amod"):
        return word
    if token.pos_ in {"NOUN", "PROPN", "ADJ"}:
        return SINGULARS.get(word, token.lemma_.lower())
    return None


def _open_compound(token: Token) -> str | None:
    """Return "hi-hat" at the first word of "hi hats", "" at the second, None elsewhere."""
    words = [token.doc[i].lower_ if 0 <= i < len(token.doc) else "" for i in _neighborhood(token)]
    before, here, after = (word.removesuffix("s") for word in words)
    if (here, after) in OPEN_COMPOUNDS:
        return f"{here}-{after}"
    return "" if (before, here) in OPEN_COMPOUNDS else None


def _neighborhood(token: Token) -> range:
    return range(token.i - 1, token.i + 2)


def _role_weight(token: Token) -> float:
    if token.lower_ in STRONG_MODIFIERS:
        return 0.9
    if token.dep_ in DEPENDENCY_WEIGHTS:
        return DEPENDENCY_WEIGHTS[token.dep_]
    if token.pos_ in {"ADJ", "PROPN"}:
        return 0.6
    if token.dep_ == "pobj" and token.head.lower_ in SCENE_PREPOSITIONS:
        return 0.8
    return 1.0


def _position_weight(token: Token, sentence: int, *, in_summary: bool) -> float:
    """The closing summary says what matters; before it, what comes first matters most."""
    return 2.0 if in_summary else max(1.15 - 0.03 * sentence, 0.8)


def _is_hypothetical(sentence: Span) -> bool:
    """Whether a sentence is on where a clip could be used, not on what is to be heard."""
    modal = any(token.lower_ in {"could", "would", "can", "may", "might"} for token in sentence)
    return modal and any(token.lemma_ in USAGE_VERBS for token in sentence)


def _quoted_positions(doc: Doc) -> set[int]:
    """Return the positions of quoted speech: what is said is not what is to be heard."""
    positions: set[int] = set()
    for match in QUOTATION.finditer(doc.text):
        if len(match[1].split()) > MAX_QUOTED_WORDS:
            positions.update(t.i for t in doc if match.start() < t.idx < match.end())
    return positions

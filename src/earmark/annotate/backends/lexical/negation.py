"""Which words of a parsed caption are denied: "no speech", "without music", "not reverberant".

A captioner that says what it did not hear would otherwise teach the encoder that it did. The
scope of a denial is read from the dependency tree (Universal-style labels of spaCy's English
models): the governed subtree, up to an exception ("nothing but rain").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from earmark.annotate.backends.lexical.words import EXCEPTIONS, EXISTENCE, FEW, LACKING

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

SUBJECTS = frozenset({"nsubj", "nsubjpass", "csubj"})
COMPLEMENTS = frozenset({"acomp", "attr", "dobj", "oprd", "xcomp", "pobj", "prep", "agent"})
OWN_CLAUSES = frozenset({"advcl", "ccomp", "parataxis", "relcl"})


def denied(doc: Doc) -> set[int]:
    """Return the positions of the tokens that the caption says are not there."""
    positions: set[int] = set()
    for token in doc:
        for scope in _scopes(token):
            positions.update(inner.i for inner in _reach(scope))
    return positions


def _scopes(token: Token) -> Iterator[Token]:
    """Yield the heads of what `token` denies."""
    word = token.lower_
    if token.dep_ == "neg":
        yield from _denied_by_not(token)
    elif word in FEW and token.dep_ in {"det", "amod", "advmod", "preconj"}:
        yield token.head
    elif _leads_denied_phrase(token):
        yield from token.children
        if token.dep_ == "cc":
            yield from (c for c in token.head.children if c.dep_ == "conj" and c.i > token.i)
    elif token.lemma_.lower() in LACKING:
        yield from _denied_by_lack(token)


def _leads_denied_phrase(token: Token) -> bool:
    """Whether `token` leads the phrase of "without X", "instead of X" or "rather than X"."""
    before = token.nbor(-1).lower_ if token.i else ""
    if token.lower_ == "than":
        return before in {"rather", "other"}
    if token.lower_ == "of":
        return before == "instead"
    return token.lower_ in {"without", "minus", "unlike"}


def _denied_by_not(token: Token) -> Iterator[Token]:
    """ "is not reverberant": the complements; "cannot be heard": the subject as well."""
    head = token.head
    if token.i + 1 < len(token.doc) and token.nbor(1).lower_ == "only":
        return
    if head.pos_ not in {"AUX", "VERB"} or head.tag_ == "VBG":
        yield head
        return
    complements = [child for child in head.children if child.dep_ in COMPLEMENTS]
    yield from complements
    predicates = {head.lemma_.lower(), *(c.lemma_.lower() for c in complements)}
    bare = head.pos_ == "AUX" and not complements
    if bare or (predicates & (EXISTENCE - {"be", "contain", "record"})):
        yield from (child for child in head.children if child.dep_ in SUBJECTS)


def _denied_by_lack(token: Token) -> Iterator[Token]:
    """ "lacks bass", "absence of speech": what it governs; "music is absent": the subject."""
    doubly = any(child.dep_ == "neg" or child.lower_ == "no" for child in token.children)
    if doubly:
        return
    if token.lemma_.lower() in {"absent", "missing"} and token.dep_ == "acomp":
        yield from (child for child in token.head.children if child.dep_ in SUBJECTS)
    else:
        yield from (child for child in token.children if child.dep_ in {"dobj", "prep", "pobj"})


def _reach(scope: Token) -> Iterator[Token]:
    """Yield `scope` and what hangs from it, without other clauses and exceptions."""
    yield scope
    contrasted = any(c.dep_ == "cc" and c.lower_ in {"but", "yet"} for c in scope.children)
    for child in scope.children:
        if child.lower_ in EXCEPTIONS or child.dep_ in OWN_CLAUSES | SUBJECTS:
            continue
        if child.dep_ == "conj" and (contrasted or _is_clause(child)):
            continue
        yield from _reach(child)


def _is_clause(token: Token) -> bool:
    return any(child.dep_ in SUBJECTS or child.dep_ == "expl" for child in token.children)

"""Apply all steps of the normalizer to the distinct tags of a corpus, until nothing changes.

The step "separators" also joins compounds: "hifi", "hi-fi" and "hi_fi" are one tag where a corpus
shows them all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from earmark.annotate.vocabulary.decisions import Decision, resolve_decisions
from earmark.annotate.vocabulary.normalize.inflection import merge_inflections
from earmark.annotate.vocabulary.normalize.surface import (
    change_words,
    drop_reason,
    fold_case,
    is_plain,
    normalize_punctuation,
    normalize_separators,
    normalize_unicode,
    to_american,
)
from earmark.config import ConfigError

NormalizerStep = Literal[
    "unicode", "case", "separators", "punctuation", "spelling", "inflection", "aliases"
]

NORMALIZER_STEPS: tuple[NormalizerStep, ...] = (
    "unicode",
    "case",
    "separators",
    "punctuation",
    "spelling",
    "inflection",
    "aliases",
)
"""Every step of the normalizer, in the order in which they are applied."""

_MEANINGFUL_PREFIXES = ("re-",)
"""A hyphen after these can make another word: re-creation and recreation, re-sign and resign."""


def merge_compounds(frequencies: Mapping[str, int]) -> dict[str, str]:
    """Return {tag: tag that it is counted as} of tags that differ only in where hyphens stand.

    Of each such family the most frequent is kept; of equals the one with more hyphens, then the
    first by the alphabet. A word that the corpus never shows with a hyphen stays as it is.
    """
    bare = [tag.replace("-", "") for tag in frequencies]
    shared = {letters for letters, count in Counter(bare).items() if count > 1}
    families: dict[str, list[str]] = defaultdict(list)
    for tag, letters in zip(frequencies, bare, strict=True) if shared else ():
        if letters in shared and not tag.startswith(_MEANINGFUL_PREFIXES):
            families[letters].append(tag)
    changes: dict[str, str] = {}
    for family in families.values():
        kept = min(family, key=lambda tag: (-frequencies[tag], -tag.count("-"), tag))
        changes |= {tag: kept for tag in family if tag != kept}
    return changes


TagChange = tuple[str, str, int]
"""A tag before and after a step, and in how many captions it is."""

_SURFACE_STEPS: Mapping[NormalizerStep, Callable[[str], str]] = {
    "unicode": normalize_unicode,
    "case": fold_case,
    "separators": normalize_separators,
    "punctuation": normalize_punctuation,
}


@dataclass(frozen=True)
class _Operation:
    """A step, or part of one: what it changes of tags it has not `seen` and those there are now.

    One that is `on_rough` leaves plain tags as they are.
    """

    step: NormalizerStep
    changes: Callable[[Sequence[str], Mapping[str, int]], dict[str, str]]
    on_rough: bool = False


@dataclass(frozen=True)
class NormalizedTags:
    """What the steps made of the tags of a corpus.

    `form` leads each tag that changed, and each form that it had on its way, to the one it ends
    as; `counts` are the frequencies of these, in sum over variants. `moves` are, by step, the tags
    that it changed.
    """

    form: Mapping[str, str]
    counts: Mapping[str, int]
    moves: Mapping[NormalizerStep, Sequence[TagChange]]


def apply_steps(
    counts: Mapping[str, int], steps: Sequence[NormalizerStep], aliases: Mapping[str, str]
) -> NormalizedTags:
    """Apply all steps in turn, and again while a step's result gives an earlier one new work.

    Raises:
        ConfigError: an alias is no tag, or aliases go round in a circle.
    """
    table = alias_table(aliases, steps)
    operations = _operations(steps, table)
    current, form = dict(counts), dict[str, str]()
    moves: dict[NormalizerStep, list[TagChange]] = {step: [] for step in steps}
    rough = [tag for tag in counts if not is_plain(tag)]
    unseen = [list(rough if operation.on_rough else counts) for operation in operations]
    while any(unseen):
        for place, operation in enumerate(operations):
            seen, unseen[place] = unseen[place], []
            moved = operation.changes(seen, current) if seen else {}
            if not moved:
                continue
            moves[operation.step] += [(tag, new, current[tag]) for tag, new in moved.items()]
            form = {tag: moved.get(now, now) for tag, now in form.items()} | moved
            made = [new for new in dict.fromkeys(moved.values()) if new not in current]
            _merge_counts(current, moved)
            for waiting in unseen:
                waiting += made
    return NormalizedTags(form, current, moves)


def normalize_without_corpus(
    tag: str, steps: Sequence[NormalizerStep], aliases: Mapping[str, str]
) -> str:
    """Return a tag as the steps that need no corpus leave it."""
    table = alias_table(aliases, steps)
    folded = _surface_form(tag, steps)
    return table.get(folded, folded)


def _operations(steps: Sequence[NormalizerStep], aliases: Mapping[str, str]) -> list[_Operation]:
    """Return what the steps do, in order; "separators" also joins words that a corpus joins."""
    found: list[_Operation] = []
    for step in steps:
        if step in _SURFACE_STEPS:
            found.append(
                _Operation(step, partial(_surface_changes, _SURFACE_STEPS[step]), on_rough=True)
            )
        if step == "separators":
            found.append(_Operation(step, lambda _, current: merge_compounds(current)))
        if step == "spelling":
            found.append(_Operation(step, _spelling_changes))
        if step == "inflection":
            found.append(_Operation(step, lambda _, current: merge_inflections(current)))
        if step == "aliases":
            found.append(_Operation(step, partial(_alias_changes, aliases)))
    return found


def _surface_changes(
    function: Callable[[str], str], seen: Sequence[str], current: Mapping[str, int]
) -> dict[str, str]:
    return {tag: new for tag in seen if tag in current and (new := function(tag)) != tag}


def _spelling_changes(seen: Sequence[str], current: Mapping[str, int]) -> dict[str, str]:
    return change_words([tag for tag in seen if tag in current], to_american)


def _alias_changes(
    aliases: Mapping[str, str], seen: Sequence[str], current: Mapping[str, int]
) -> dict[str, str]:
    return {tag: aliases[tag] for tag in seen if tag in aliases and tag in current}


def _merge_counts(counts: dict[str, int], moved: Mapping[str, str]) -> None:
    """Count tags as others, in place."""
    taken = [(new, counts.pop(tag)) for tag, new in moved.items()]
    for new, count in taken:
        counts[new] = counts.get(new, 0) + count


def _surface_form(tag: str, steps: Sequence[NormalizerStep]) -> str:
    functions = [
        _SURFACE_STEPS.get(step, to_american)
        for step in steps
        if step in (*_SURFACE_STEPS, "spelling")
    ]
    before = None
    while before != tag:
        before = tag
        for function in functions:
            tag = function(tag)
    return tag


def alias_table(aliases: Mapping[str, str], steps: Sequence[NormalizerStep]) -> dict[str, str]:
    """Return {variant: tag}, both as the steps leave them, with chains followed to their end."""
    if "aliases" not in steps or not aliases:
        return {}
    for tag in (*aliases, *aliases.values()):
        if reason := drop_reason(tag):
            raise ConfigError(f"aliases: {tag!r} can be no tag: it is {reason}")
    sayings = [
        Decision(
            "merge",
            _surface_form(variant, steps),
            f"{variant!r} = {tag!r}",
            _surface_form(tag, steps),
        )
        for variant, tag in aliases.items()
    ]
    try:
        return dict(resolve_decisions(sayings).moved)
    except ConfigError as error:
        raise ConfigError(f"aliases: {error}") from None

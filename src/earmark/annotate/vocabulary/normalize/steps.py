"""Apply all steps of the normalizer to the distinct tags of a corpus, until nothing changes.

The step "separators" also joins compounds: "hifi", "hi-fi" and "hi_fi" are one tag where a corpus
shows them all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from earmark.annotate.vocabulary.config import NormaliserStep
from earmark.annotate.vocabulary.decisions import Saying, settle
from earmark.annotate.vocabulary.normalize.inflection import inflected_forms
from earmark.annotate.vocabulary.normalize.surface import (
    american,
    changed_tags,
    drop_reason,
    fold_case,
    fold_punctuation,
    fold_separators,
    fold_unicode,
    is_plain,
)
from earmark.config import ConfigError

_OTHER_MEANING = ("re-",)
"""A hyphen after these can make another word: re-creation and recreation, re-sign and resign."""


def joined_compounds(frequencies: Mapping[str, int]) -> dict[str, str]:
    """Return {tag: tag that it is counted as} of tags that differ only in where hyphens stand.

    Of each such family the most frequent is kept; of equals the one with more hyphens, then the
    first by the alphabet. A word that the corpus never shows with a hyphen stays as it is.
    """
    bare = [tag.replace("-", "") for tag in frequencies]
    shared = {letters for letters, count in Counter(bare).items() if count > 1}
    families: dict[str, list[str]] = defaultdict(list)
    for tag, letters in zip(frequencies, bare, strict=True) if shared else ():
        if letters in shared and not tag.startswith(_OTHER_MEANING):
            families[letters].append(tag)
    changes: dict[str, str] = {}
    for family in families.values():
        kept = min(family, key=lambda tag: (-frequencies[tag], -tag.count("-"), tag))
        changes |= {tag: kept for tag in family if tag != kept}
    return changes


Move = tuple[str, str, int]
"""A tag before and after a step, and in how many captions it is."""

_SURFACE: Mapping[NormaliserStep, Callable[[str], str]] = {
    "unicode": fold_unicode,
    "case": fold_case,
    "separators": fold_separators,
    "punctuation": fold_punctuation,
}


@dataclass(frozen=True)
class _Operation:
    """A step, or part of one: what it changes of tags it has not `seen` and those there are now.

    One that is `on_rough` leaves plain tags as they are.
    """

    step: NormaliserStep
    changes: Callable[[Sequence[str], Mapping[str, int]], dict[str, str]]
    on_rough: bool = False


@dataclass(frozen=True)
class Normalised:
    """What the steps made of the tags of a corpus.

    `form` leads each tag that changed, and each form that it had on its way, to the one it ends
    as; `counts` are the frequencies of these, in sum over variants. `moves` are, by step, the tags
    that it changed.
    """

    form: Mapping[str, str]
    counts: Mapping[str, int]
    moves: Mapping[NormaliserStep, Sequence[Move]]


def normalise(
    counts: Mapping[str, int], steps: Sequence[NormaliserStep], aliases: Mapping[str, str]
) -> Normalised:
    """Apply all steps in turn, and again while a step's result gives an earlier one new work.

    Raises:
        ConfigError: an alias is no tag, or aliases go round in a circle.
    """
    table = alias_table(aliases, steps)
    operations = _operations(steps, table)
    current, form = dict(counts), dict[str, str]()
    moves: dict[NormaliserStep, list[Move]] = {step: [] for step in steps}
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
            _count_as(current, moved)
            for waiting in unseen:
                waiting += made
    return Normalised(form, current, moves)


def fold_words(tag: str, steps: Sequence[NormaliserStep], aliases: Mapping[str, str]) -> str:
    """Return a tag as the steps that need no corpus leave it."""
    table = alias_table(aliases, steps)
    folded = _without_corpus(tag, steps)
    return table.get(folded, folded)


def _operations(steps: Sequence[NormaliserStep], aliases: Mapping[str, str]) -> list[_Operation]:
    """Return what the steps do, in order; "separators" also joins words that a corpus joins."""
    found: list[_Operation] = []
    for step in steps:
        if step in _SURFACE:
            found.append(_Operation(step, partial(_one_by_one, _SURFACE[step]), on_rough=True))
        if step == "separators":
            found.append(_Operation(step, lambda _, current: joined_compounds(current)))
        if step == "spelling":
            found.append(_Operation(step, _spelled))
        if step == "inflection":
            found.append(_Operation(step, lambda _, current: inflected_forms(current)))
        if step == "aliases":
            found.append(_Operation(step, partial(_renamed, aliases)))
    return found


def _one_by_one(
    function: Callable[[str], str], seen: Sequence[str], current: Mapping[str, int]
) -> dict[str, str]:
    return {tag: new for tag in seen if tag in current and (new := function(tag)) != tag}


def _spelled(seen: Sequence[str], current: Mapping[str, int]) -> dict[str, str]:
    return changed_tags([tag for tag in seen if tag in current], american)


def _renamed(
    aliases: Mapping[str, str], seen: Sequence[str], current: Mapping[str, int]
) -> dict[str, str]:
    return {tag: aliases[tag] for tag in seen if tag in aliases and tag in current}


def _count_as(counts: dict[str, int], moved: Mapping[str, str]) -> None:
    """Count tags as others, in place."""
    taken = [(new, counts.pop(tag)) for tag, new in moved.items()]
    for new, count in taken:
        counts[new] = counts.get(new, 0) + count


def _without_corpus(tag: str, steps: Sequence[NormaliserStep]) -> str:
    functions = [_SURFACE.get(step, american) for step in steps if step in (*_SURFACE, "spelling")]
    before = None
    while before != tag:
        before = tag
        for function in functions:
            tag = function(tag)
    return tag


def alias_table(aliases: Mapping[str, str], steps: Sequence[NormaliserStep]) -> dict[str, str]:
    """Return {variant: tag}, both as the steps leave them, with chains followed to their end."""
    if "aliases" not in steps or not aliases:
        return {}
    for tag in (*aliases, *aliases.values()):
        if reason := drop_reason(tag):
            raise ConfigError(f"aliases: {tag!r} can be no tag: it is {reason}")
    sayings = [
        Saying(
            "merge",
            _without_corpus(variant, steps),
            f"{variant!r} = {tag!r}",
            _without_corpus(tag, steps),
        )
        for variant, tag in aliases.items()
    ]
    try:
        return dict(settle(sayings).moved)
    except ConfigError as error:
        raise ConfigError(f"aliases: {error}") from None

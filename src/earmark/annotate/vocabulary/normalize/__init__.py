"""Normalize the distinct tags of a corpus, then apply people's decisions.

One file a kind of step: `surface` looks at one tag alone, `inflection` and `steps` at the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from earmark.annotate.vocabulary.decisions import Decisions, ResolvedDecisions
from earmark.annotate.vocabulary.normalize.steps import (
    NormalizedTags,
    NormalizerStep,
    TagChange,
    apply_steps,
    normalize_without_corpus,
)
from earmark.annotate.vocabulary.normalize.surface import MAX_TAG_LENGTH, drop_reason
from earmark.annotate.vocabulary.stats import StepChange
from earmark.config import ConfigError

NORMALIZER_VERSION = 1
"""Raised whenever a step folds a tag otherwise than before."""

MAX_EXAMPLES = 5
"""How many examples a `StepChange` holds."""


@dataclass(frozen=True)
class Normalization:
    """What became of every distinct tag of a corpus.

    `target` holds each tag as written: the tag it is counted as, or "" where it is dropped;
    `dropped` says why, by tag as written ("empty", "too long", "line break", "no letters",
    "control characters" or "banned"). `keep` are the tags that people keep, as they are counted,
    and `verdicts` all that they decided. `changes` has an entry for each step, and "decisions"
    after them. `unsupported` are decisions that the corpus no longer bears, in words.
    """

    target: Mapping[str, str]
    dropped: Mapping[str, str]
    changes: tuple[StepChange, ...]
    unsupported: tuple[str, ...]
    keep: tuple[str, ...] = ()
    verdicts: ResolvedDecisions = field(default_factory=ResolvedDecisions)


def normalize_all(
    frequencies: Mapping[str, int],
    steps: Sequence[NormalizerStep],
    aliases: Mapping[str, str],
    decisions: Decisions,
) -> Normalization:
    """Fold the tags of a corpus, given in how many captions each is (as written).

    Folding the folded tags again changes nothing, and the order of `frequencies` has no influence.

    Raises:
        ConfigError: aliases go round in a circle, or two decisions contradict each other once
            their names are normalized.
    """
    why_not = _drop_checker(steps)
    # Most tags are one word of letters, which is never a reason.
    strange = (tag for tag in frequencies if len(tag) > MAX_TAG_LENGTH or not tag.isalpha())
    dropped = {tag: reason for tag in strange if (reason := why_not(tag))}
    counts = {tag: count for tag, count in frequencies.items() if tag not in dropped}
    # What people merge into counts as shown: the corpus will show it once they are merged.
    for name in new_names(decisions):
        counts.setdefault(normalize_without_corpus(name, steps, aliases), 0)
    normalized = apply_steps(counts, steps, aliases)
    verdicts = _resolve(
        decisions, normalized, partial(normalize_without_corpus, steps=steps, aliases=aliases)
    )
    shown = {tag: count for tag, count in normalized.counts.items() if count}
    decided = _apply_decisions(shown, verdicts)
    form = {tag: normalized.form.get(tag, tag) for tag in frequencies if tag not in dropped}
    # NFKC can make a tag longer.
    dropped |= {tag: reason for tag, now in form.items() if now != tag and (reason := why_not(now))}
    target = {tag: "" if tag in dropped else decided.get(now, now) for tag, now in form.items()}
    dropped |= {tag: "banned" for tag, now in target.items() if not now and tag not in dropped}
    changes = [_step_change(step, moves) for step, moves in normalized.moves.items()]
    by_people = [(tag, new, shown[tag]) for tag, new in decided.items()]
    return Normalization(
        target=dict.fromkeys(dropped, "") | target,
        dropped=dropped,
        changes=(*changes, _step_change("decisions", by_people)),
        unsupported=tuple(_unsupported(verdicts, shown)),
        keep=verdicts.keep,
        verdicts=verdicts,
    )


def normalize_tag(tag: str, steps: Sequence[NormalizerStep], aliases: Mapping[str, str]) -> str:
    """Fold a tag that the corpus did not show, or return "" where it can be no class.

    Every step but those that need a corpus: inflection, and joining words that a corpus writes
    with and without a hyphen.
    """
    why_not = _drop_checker(steps)
    folded = "" if why_not(tag) else normalize_without_corpus(tag, steps, aliases)
    return "" if why_not(folded) else folded


def _drop_checker(steps: Sequence[NormalizerStep]) -> Callable[[str], str]:
    """Return what says why a tag as written can be no class; "" where it can once it is folded."""
    joins_lines = not {"unicode", "separators"}.isdisjoint(steps)
    return partial(drop_reason, as_written=not steps, joins_lines=joins_lines)


def new_names(decisions: Decisions) -> Iterator[str]:
    """Give the names that merges and renames lead to.

    Raises:
        ConfigError: one of them can be no tag.
    """
    for section, names in (("merge", decisions.merge), ("rename", decisions.rename)):
        for tag, name in names.items():
            if reason := drop_reason(name):
                raise ConfigError(
                    f"decisions: {section} of {tag!r} into {name!r}, which can be no tag: it is "
                    f"{reason}. To drop a tag, ban it."
                )
            yield name


def _resolve(
    decisions: Decisions, normalized: NormalizedTags, alone: Callable[[str], str]
) -> ResolvedDecisions:
    """Return what decisions come to; `alone` folds a name as if no corpus had shown it."""

    def as_counted(name: str) -> str:
        folded = alone(name)
        return normalized.form.get(name) or normalized.form.get(folded, folded)

    spellings = {alone(name): as_counted(name) for name in sorted(decisions.names())}
    return replace(
        decisions.settled(as_counted),
        spellings={name: tag for name, tag in spellings.items() if name != tag},
    )


def _apply_decisions(shown: Mapping[str, int], verdicts: ResolvedDecisions) -> dict[str, str]:
    """Return {tag: what people make of it} of those that they change, "" where it is banned."""
    return {tag: new for tag, new in verdicts.moved.items() if tag in shown} | {
        tag: "" for tag in verdicts.ban if tag in shown
    }


def _step_change(step: str, moves: Sequence[TagChange]) -> StepChange:
    held = [move for move in moves if move[2]]  # not names that only decisions have
    frequent = sorted(held, key=lambda move: (-move[2], move[0]))
    return StepChange(
        step=step,
        tags=len(held),
        uses=sum(count for _, _, count in held),
        examples=tuple((before, after) for before, after, _ in frequent[:MAX_EXAMPLES]),
    )


def _unsupported(verdicts: ResolvedDecisions, shown: Mapping[str, int]) -> Iterator[str]:
    """Say which decisions are about tags that the corpus no longer shows."""
    for saying in verdicts.sayings:
        if saying.tag not in shown and saying.tag != saying.into:
            yield f"{saying.place}: no caption holds {saying.tag!r}"
        elif saying.kind == "merge" and saying.into not in shown:
            yield f"{saying.place}: no caption holds {saying.into!r}"
        elif saying.kind == "rename" and saying.into in shown and saying.tag != saying.into:
            yield f"{saying.place}: {saying.into!r} is no new name; the two are counted as one"

"""Settings of the vocabulary stage, and the checks on them that need no corpus."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from earmark.annotate.vocabulary.normalize.steps import (
    NORMALIZER_STEPS,
    NormalizerStep,
    alias_table,
)
from earmark.config import Config, ConfigError, PositiveInt, suggest

Domain = Literal["speech", "music", "sound"]

DOMAINS: tuple[Domain, ...] = ("speech", "music", "sound")
"""The domains that a vocabulary bridges; "sound" is all that is neither speech nor music."""

PAPER_SIZES = (800, 1000, 1500, 2000, 3000)
"""The sizes that the paper compares; the growth curve has them beside those that are written."""

SharePart = Annotated[float, Meta(ge=0, lt=1)]
"""A share that leaves something to others."""

ScoreName = Literal["paper", "frequency", "balanced", "information"]


class AutoSize(Config, frozen=True, kw_only=True):
    """Which tags a vocabulary that chooses its own size takes.

    Args:
        positives: those that at least so many captions hold; others cannot be learned.
        gain: of these, best first, until the next would add less to the share of all tag uses that
            are covered (averaged over some tags).
    """

    positives: PositiveInt = 50
    gain: SharePart = 2e-5


class VocabularyConfig(Config, frozen=True, kw_only=True):
    """Which tags of a corpus become classes.

    Args:
        size: the tags of vocabulary.json, which a model is trained on; at most so many, or "auto"
            for as many as `auto` allows. The paper tries 800 to 3000.
        sizes: further sizes that are written in the same pass, each with a lock file of its own.
        min_df: a tag must be held by at least so many captions.
        normalize: "all", or the steps that fold variants of one tag; "none" is the paper's way.
        aliases: {variant: tag}, what the step "aliases" folds; names are as folded by the steps
            before it.
        score: what tags are ranked by: "paper", "frequency" (in how many captions), "balanced"
            (the paper's, averaged over domains) or "information" (what a tag tells of its
            caption's other tags).
        min_share: {domain: share}, the least share that a domain's tags have of every vocabulary,
            where the corpus has so many; shares from 0 to 1, in sum below 1.
        decisions: a TOML file of people's decisions (merge, ban, keep, rename); none where empty.
        path: a lock file or label list to be used as it is; nothing is chosen then.
        auto: the bounds of size = "auto".
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"normalise": "normalize", "floors": "min_share", "frozen": "path"}
    )

    size: PositiveInt | Literal["auto"] = 1000
    sizes: tuple[PositiveInt, ...] = ()
    min_df: PositiveInt = 1
    normalize: Literal["all", "none"] | tuple[NormalizerStep, ...] = "all"
    aliases: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    score: ScoreName = "paper"
    min_share: dict[Domain, SharePart] = msgspec.field(default_factory=dict[Domain, SharePart])
    decisions: str = ""
    path: str = ""
    auto: AutoSize = AutoSize()

    def check(self) -> None:
        """Refuse what no corpus could meet.

        Raises:
            ConfigError: a size is there twice, the shares leave nothing, an alias has an impossible
                name or contradicts another, or aliases are given and their step is off.
        """
        if twice := [size for size in self.sizes if self.sizes.count(size) > 1]:
            raise ConfigError(
                f"sizes = {list(self.sizes)} names {twice[0]} more than once: each size is a file "
                "of its own, so name it once"
            )
        self._check_min_share()
        if self.aliases and "aliases" not in self.steps:
            raise ConfigError(
                'aliases are given, but the step that folds them is off: add "aliases" to '
                "vocabulary.normalize, or leave the aliases out"
            )
        if self.aliases:
            alias_table(self.aliases, self.steps)

    def _check_min_share(self) -> None:
        for domain in self.min_share:
            if domain not in DOMAINS:
                raise ConfigError(f"min_share.{domain} is of no domain.{suggest(domain, DOMAINS)}")
        # As written: 0.7 and 0.3 are 1, whatever floats make of them.
        if sum(Fraction(repr(share)) for share in self.min_share.values()) >= 1:
            given = ", ".join(f"{domain} = {share}" for domain, share in self.min_share.items())
            raise ConfigError(
                f"min_share ({given}) take up the whole vocabulary and leave the score nothing to "
                "choose: make them smaller, in sum below 1."
            )

    @property
    def least_df(self) -> int:
        """How many captions must hold a tag."""
        return max(self.min_df, self.auto.positives) if self.size == "auto" else self.min_df

    @property
    def steps(self) -> tuple[NormalizerStep, ...]:
        """The normalizer's steps that are on, in the order in which they are applied."""
        if self.normalize == "all":
            return NORMALIZER_STEPS
        return tuple(step for step in NORMALIZER_STEPS if step in self.normalize)


def exact_share(share: float) -> Fraction:
    """Return the decimal fraction that was written: 0.1 is a tenth, not the double beside it."""
    return Fraction(repr(share))

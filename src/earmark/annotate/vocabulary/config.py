"""What a recipe says of its vocabulary."""

from __future__ import annotations

from typing import Literal

import msgspec

from earmark.config import Config

Domain = Literal["speech", "music", "sound"]
DOMAINS: tuple[Domain, ...] = ("speech", "music", "sound")
"""The domains that a vocabulary bridges; "sound" is all that is neither speech nor music."""

NormaliserStep = Literal[
    "unicode", "case", "separators", "punctuation", "spelling", "inflection", "aliases"
]
NORMALISER_STEPS: tuple[NormaliserStep, ...] = (
    "unicode",
    "case",
    "separators",
    "punctuation",
    "spelling",
    "inflection",
    "aliases",
)
"""Every step of the normaliser, in the order in which they are applied."""

PAPER_SIZES = (800, 1000, 1500, 2000, 3000)
"""The sizes that the paper compares; the growth curve has them beside those that are written."""

ScoreName = Literal["paper", "frequency", "balanced", "information"]


class AutoSize(Config, frozen=True, kw_only=True):
    """Which tags a vocabulary that chooses its own size takes.

    Args:
        positives: those that at least so many captions hold; others cannot be learned.
        gain: of these, best first, until the next would add less to the share of all tag uses that
            are covered (averaged over some tags).
    """

    positives: int = 50
    gain: float = 2e-5


class VocabularyConfig(Config, frozen=True, kw_only=True):
    """Which tags of a corpus become classes.

    Args:
        size: the tags of vocabulary.json, which a model is trained on; at most so many, or "auto"
            for as many as `auto` allows. The paper tries 800 to 3000.
        sizes: further sizes that are written in the same pass, each with a lock file of its own.
        min_df: a tag must be held by at least so many captions.
        normalise: "all", or the steps that fold variants of one tag; "none" is the paper's way.
        aliases: {variant: tag}, what the step "aliases" folds; names are as folded by the steps
            before it.
        score: what tags are ranked by: "paper", "frequency" (in how many captions), "balanced"
            (the paper's, averaged over domains) or "information" (what a tag tells of its
            caption's other tags).
        floors: {domain: share}, the least share that a domain's tags have of every vocabulary,
            where the corpus has so many; shares from 0 to 1, in sum below 1.
        decisions: a TOML file of people's decisions (merge, ban, keep, rename); none where empty.
        frozen: a lock file or label list to be used as it is; nothing is chosen then.
        auto: the bounds of size = "auto".
    """

    size: int | Literal["auto"] = 1000
    sizes: tuple[int, ...] = ()
    min_df: int = 1
    normalise: Literal["all", "none"] | tuple[NormaliserStep, ...] = "all"
    aliases: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    score: ScoreName = "paper"
    floors: dict[Domain, float] = msgspec.field(default_factory=dict[Domain, float])
    decisions: str = ""
    frozen: str = ""
    auto: AutoSize = AutoSize()

    @property
    def least_df(self) -> int:
        """How many captions must hold a tag."""
        return max(self.min_df, self.auto.positives) if self.size == "auto" else self.min_df

    @property
    def steps(self) -> tuple[NormaliserStep, ...]:
        """The normaliser's steps that are on, in the order in which they are applied."""
        if self.normalise == "all":
            return NORMALISER_STEPS
        return tuple(step for step in NORMALISER_STEPS if step in self.normalise)

"""What a recipe says of its vocabulary."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from earmark.config import Config, ConfigError

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

ScoreName = Literal["paper", "frequency", "balanced", "information"]


class AutoSize(Config, frozen=True, kw_only=True):
    """When a vocabulary that chooses its own size stops growing: at the first bound it meets.

    Args:
        positives: every tag is held by at least so many captions, else it cannot be learned.
        gain: every tag adds at least so much to the share of all tag uses that are covered.
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
    def steps(self) -> tuple[NormaliserStep, ...]:
        """The normaliser's steps that are on, in the order in which they are applied."""
        if self.normalise == "all":
            return NORMALISER_STEPS
        return tuple(step for step in NORMALISER_STEPS if step in self.normalise)

    def file_digests(self) -> tuple[str, ...]:
        """Return the SHA-256 of each file that is named: what it says settles the result.

        Raises:
            ConfigError: one cannot be read.
        """
        named = {"decisions": self.decisions, "frozen": self.frozen}
        return tuple(_digest(name, file) for name, file in named.items() if file)


def _digest(name: str, file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f"vocabulary.{name} = {file!r} cannot be read: {error.strerror}. A path is meant from "
            "the folder where the command is given."
        ) from None

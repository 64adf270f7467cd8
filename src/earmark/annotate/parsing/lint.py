"""Lint captions: refusals, echoes, loops, leaked scores and the like.

A model that fails still answers. Each rule knows one way to fail, and reads what the caption
itself says: words in quotation marks are the clip's, and may well be "I'm sorry, I cannot help". A
rule would rather miss a bad caption than reject a good one.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from earmark.annotate.parsing.language import Language, is_foreign
from earmark.annotate.parsing.lint_rules import (
    echoes_prompt,
    is_refusal,
    is_repetitive,
    leaks_scores,
)
from earmark.annotate.parsing.text import blank_quotations, count_words
from earmark.config import Config, NonNegativeInt, PositiveInt

LINT_VERSION = 1
"""Raised when a rule changes: captions linted by another version may be judged otherwise."""

LINT_REASONS = (
    "empty",
    "prompt echo",
    "refusal",
    "leaked scores",
    "repetition",
    "cut off",
    "language",
    "too short",
)
"""All that `lint_caption` can find, in the order in which it looks."""

MAX_WORD_CHARACTERS = 30
"""Characters: as much text as this a word is read to see that a caption is long enough."""


class LintConfig(Config, frozen=True, kw_only=True):
    """What a caption must be to be kept.

    Args:
        enabled: whether captions are judged at all; false keeps all but empty ones.
        language: that captions are written in; "any" switches the rule off.
        min_words: the shortest caption, words. A captioner writes hundreds; human one-line
            captions have eight to ten, and need 0 here.
        max_repeats: times that the same words may stand one after the other, as in a refrain.
        max_repeated_share: of the runs of four words, how many may have stood in the caption
            before.
    """

    enabled: bool = True
    language: Language = "en"
    min_words: NonNegativeInt = 8
    max_repeats: PositiveInt = 6
    max_repeated_share: Annotated[float, Meta(gt=0, le=1)] = 0.3


def lint_caption(
    text: str, finish_reason: str, config: LintConfig, instruction: str = ""
) -> str | None:
    """Return what is wrong with a captioner's answer, one of LINT_REASONS, or None.

    Args:
        text: the answer.
        finish_reason: why the model stopped; "length" where it was cut off.
        config: what is asked of a caption.
        instruction: what the captioner was told, which an answer may repeat.
    """
    text = text.strip()
    if not text:
        return "empty"
    if not config.enabled:
        return None
    own_words = blank_quotations(text)
    if echoes_prompt(text, instruction):
        return "prompt echo"
    if is_refusal(own_words):
        return "refusal"
    if leaks_scores(text, own_words):
        return "leaked scores"
    if is_repetitive(text, config.max_repeats, config.max_repeated_share):
        return "repetition"
    if finish_reason == "length":
        return "cut off"
    if _is_foreign(own_words, config.language):
        return "language"
    beginning = text[: MAX_WORD_CHARACTERS * config.min_words]
    return "too short" if count_words(beginning) < config.min_words else None


def _is_foreign(own_words: str, language: Language) -> bool:
    """Whether the caption, or only its end, is in another language: models drift as they go on."""
    _, _, end = own_words.rpartition("\n")
    return is_foreign(own_words, language) or (
        len(end) > len(own_words) / 10 and is_foreign(end, language)
    )

"""The lexical tagger as a backend: settings, processes and fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.lexical.extract import extract_tags
from earmark.annotate.backends.lexical.model import (
    MODEL_PACKAGE,
    check_installed,
    load_spacy_model,
    parse_caption,
)
from earmark.annotate.backends.lexical.words import word_lists
from earmark.annotate.backends.worker_pool import WorkerPool
from earmark.config import Config, NonNegativeInt, Package, PositiveInt, fingerprint

if TYPE_CHECKING:
    from spacy.language import Language

RULES_VERSION = 2
"""Raised whenever the rules (not the word lists) change what a caption is answered with."""
MAX_CHARACTERS = 100_000
"""A 388-word caption has about 2,500; beyond this it is no caption but a mistake."""


class LexicalConfig(Config, frozen=True, kw_only=True, tag="lexical", tag_field="kind"):
    """Tags by part of speech: the nouns, adjectives and -ing verbs of a caption.

    Args:
        max_tags: how many tags a caption gets at most; the paper's taggers give 5 to 10.
        workers: processes; 0 means one for each core.
    """

    max_tags: PositiveInt = 10
    workers: NonNegativeInt = 0

    @property
    def packages(self) -> tuple[Package, ...]:
        """A parser and its model."""
        return Package("spacy", "lexical"), Package(MODEL_PACKAGE, "lexical")

    def build(self) -> LexicalBackend:
        """Return the backend; its processes start with the first prompt.

        Raises:
            ConfigError: spaCy or its model is missing or of another version.
        """
        return LexicalBackend(self, check_installed())


class LexicalBackend(Backend):
    """Answers a caption (`prompt.text`) with a JSON list of its tags, most useful first."""

    needs_canary = False
    discovered = NOTHING_DISCOVERED

    def __init__(self, config: LexicalConfig, versions: dict[str, str]) -> None:
        self.fingerprint = fingerprint(
            "lexical", RULES_VERSION, word_lists(), config.max_tags, versions
        )
        self._pool = WorkerPool(config.workers, _start_worker, config.max_tags)
        self.concurrency = 4 * self._pool.workers

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Tag one caption; one without a usable word gets an empty list."""
        assert prompt.text is not None, f"the prompt {prompt.id} has no text to tag"
        if len(prompt.text) > MAX_CHARACTERS:
            detail = f"{len(prompt.text)} characters, at most {MAX_CHARACTERS} are read"
            return Refusal(reason="caption too long", detail=detail)
        return Completion(text=await self._pool.run(_tag_caption, prompt.text))

    async def aclose(self) -> None:
        """End the processes."""
        self._pool.close()


_worker: tuple[Language, int] | None = None
"""In a worker process: the model and `max_tags`."""


def _start_worker(max_tags: int) -> None:
    global _worker
    _worker = load_spacy_model(), max_tags


def _tag_caption(text: str) -> str:
    assert _worker is not None, "_start runs before the first answer"
    model, max_tags = _worker
    return msgspec.json.encode(extract_tags(parse_caption(model, text), max_tags)).decode()

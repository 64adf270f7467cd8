"""Everything beyond a recipe's own words that settles which vocabulary a corpus gives."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from earmark.annotate.vocabulary.config import VocabularyConfig
from earmark.annotate.vocabulary.folding import NORMALISER_VERSION, new_names
from earmark.config import ConfigError, fingerprint

CHOICE_VERSION = 1
"""Raised whenever a score, a domain or the ranking comes out otherwise than before."""

TABLES = {
    "normaliser": ("spelling.toml", "irregular.toml"),
    "choosing": ("domains.toml",),
}
"""Word lists that the rules read, by their folder."""


def digest(config: VocabularyConfig) -> str:
    """Return a fingerprint of the rules and of what the files that are named say.

    A comment in a decisions file, or its name, is no part of it.

    Raises:
        ConfigError: a file cannot be read, or contradicts itself.
    """
    package = resources.files(__package__ or "")
    tables = [
        hashlib.sha256((package / folder / name).read_bytes()).hexdigest()
        for folder, names in TABLES.items()
        for name in names
    ]
    return fingerprint(NORMALISER_VERSION, CHOICE_VERSION, tables, _decided(config), _taken(config))


def _decided(config: VocabularyConfig) -> str:
    if not config.decisions:
        return ""
    from earmark.annotate.vocabulary.decisions import read_decisions

    decisions = read_decisions(Path(config.decisions))
    list(new_names(decisions))  # each can be a tag
    return fingerprint(
        *(sorted(pairs.items()) for pairs in (decisions.merge, decisions.rename)),
        *(sorted(names) for names in (decisions.ban, decisions.keep)),
    )


def _taken(config: VocabularyConfig) -> str:
    if not config.frozen:
        return ""
    from earmark.annotate.vocabulary.frozen import open_frozen

    try:
        return open_frozen(config).fingerprint
    except OSError as error:
        raise ConfigError(f"vocabulary.frozen = {config.frozen!r}: {error.strerror}") from None

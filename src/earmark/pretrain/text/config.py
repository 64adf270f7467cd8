"""Settings of text models, and what a tokenizer was trained on; free of torch."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from earmark.config import Config, Share


class TextModelConfig(Config, frozen=True, kw_only=True):
    """A text encoder (BERT) or decoder (BART) of `transformers`, and its words.

    Args:
        size: "base" as in the paper (BERT 12 x 768, BART's decoder 6 x 768), "small" (4 x 512),
            "mini" (2 x 256) for a CPU. Not looked at where `pretrained` is given.
        pretrained: a model hub's name or a folder, whose weights and words are taken instead; a
            word embedding that fits another size of vocabulary is not.
        revision: of the hub's repository.
        bpe_size: words of the BPE vocabulary that is trained on the corpus's texts, at most.
        max_tokens: longer texts are cut, and counted.
        dropout: 0 to 1.
    """

    size: Literal["base", "small", "mini"] = "base"
    pretrained: str = ""
    revision: str | None = None
    bpe_size: Annotated[int, Meta(ge=300)] = 50000
    max_tokens: Annotated[int, Meta(ge=3)] = 256
    dropout: Share = 0.1


class TextStats(msgspec.Struct, frozen=True, kw_only=True):
    """Texts of the train split in tokens: how many there are, and what max_tokens cuts off."""

    texts: int
    tokens: int
    longest: int
    texts_cut: int
    tokens_cut: int


class SpecialTokens(msgspec.Struct, frozen=True, kw_only=True):
    """What the pieces are called that are no words: RoBERTa's names, or those of a loaded model."""

    start: str = "<s>"
    pad: str = "<pad>"
    end: str = "</s>"
    unknown: str = "<unk>"
    mask: str = "<mask>"


class TokenizerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The word pieces of a text model: tokenizer.json's text, and the model's own config.json where
    it was loaded by name.
    """

    tokenizer: str
    special: SpecialTokens = SpecialTokens()
    architecture: str = ""
    facts: TextStats


MISSING_TEXT_EXTRA = (
    "Objectives that read or write text need more packages: pip install 'earmark[text]'"
)

"""Texts as tokens: a BPE trained on the corpus's texts, or the tokenizer of a named model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from earmark.config import ConfigError
from earmark.pretrain.text.config import (
    MISSING_TEXT_EXTRA,
    SpecialTokens,
    TextModelConfig,
    TextStats,
    TokenizerSpec,
)


@dataclass(frozen=True)
class Tokens:
    """Word pieces of a batch of texts, "<s> ... </s>", and a `mask` that is True where one is."""

    ids: Int64[Tensor, "batch tokens"]
    mask: Bool[Tensor, "batch tokens"]

    def to(self, device: torch.device) -> Tokens:
        """Return the same on another device."""
        return Tokens(
            self.ids.to(device, non_blocking=True), self.mask.to(device, non_blocking=True)
        )


try:
    from tokenizers import Tokenizer as Pieces
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
except ImportError:
    raise ConfigError(MISSING_TEXT_EXTRA) from None

TEXTS_PER_BLOCK = 1024
"""Texts that are counted at a time: what a corpus of any size holds in memory."""

MIN_MERGE_COUNT = 2
"""Times that two pieces must have stood side by side to be joined to one."""


def build_tokenizer_spec(texts: Sequence[Sequence[str]], config: TextModelConfig) -> TokenizerSpec:
    """Return the word pieces for the texts of each clip of the train split.

    Without `config.pretrained` a byte-level BPE is trained (Sennrich et al. 2016, arXiv 1508.07909;
    bytes as of GPT-2): any text can be written, and comes back as it was. Case is kept, for what a
    decoder writes is read by people. The same texts give the same pieces.

    Raises:
        ConfigError: `config.pretrained` cannot be had, there is no text at all, or the extra
            `text` is not installed.
    """
    if not any(True for _ in _iter_texts(texts)):
        raise ConfigError(
            "No clip of the train split has a text to learn from. Choose another with "
            "objective.text (summary, caption or original)."
        )
    if config.pretrained:
        from earmark.pretrain.text.pretrained import load_tokenizer

        pieces, special, architecture = load_tokenizer(config.pretrained, config.revision)
    else:
        pieces, special, architecture = _train_bpe(texts, config.bpe_size), SpecialTokens(), ""
    return TokenizerSpec(
        tokenizer=pieces.to_str(),
        special=special,
        architecture=architecture,
        facts=_text_stats(texts, pieces, config.max_tokens),
    )


class Tokenizer:
    """Texts to `Tokens` and back; can be pickled, and used by several threads.

    `size` is how many pieces there are; `pad_id`, `start_id`, `end_id` and `mask_id` are of them.

    Args:
        words: the pieces.
        max_tokens: that a row has at most, its start and its end included.
    """

    def __init__(self, words: TokenizerSpec, max_tokens: int) -> None:
        self.words = words
        self.max_tokens = max_tokens
        self._pieces = _without_limits(Pieces.from_str(words.tokenizer))
        ids = self._pieces.get_vocab(with_added_tokens=True)
        self.size = max(ids.values()) + 1
        special = words.special
        self.pad_id, self.start_id = ids[special.pad], ids[special.start]
        self.end_id, self.mask_id = ids[special.end], ids[special.mask]
        self._silent = {self.pad_id, self.start_id, self.end_id, self.mask_id}

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[TokenizerSpec, int]]:
        """Travel as words: the pieces of `tokenizers` forget how they were set when pickled."""
        return Tokenizer, (self.words, self.max_tokens)

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Return texts between start and end, cut to max_tokens in all, padded to the longest."""
        encodings = self._pieces.encode_batch_fast(list(texts), add_special_tokens=False)
        rows = [
            [self.start_id, *encoding.ids[: self.max_tokens - 2], self.end_id]
            for encoding in encodings
        ]
        ids = torch.full((len(rows), max(map(len, rows), default=0)), self.pad_id)
        mask = torch.zeros_like(ids, dtype=torch.bool)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = True
        return Tokens(ids, mask)

    def pieces(self, text: str) -> list[int]:
        """Return the pieces of a text alone: no start, no end, nothing cut."""
        return self._pieces.encode(text, add_special_tokens=False).ids

    def ids_ending_in(self, letter: str) -> list[int]:
        """Return the pieces whose last character is an ASCII `letter`, in order."""
        vocabulary = self._pieces.get_vocab(with_added_tokens=False)
        return sorted(number for name, number in vocabulary.items() if name.endswith(letter))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the words of `ids` up to the first end, without special pieces."""
        upto = ids.index(self.end_id) if self.end_id in ids else len(ids)
        spoken = [piece for piece in ids[:upto] if piece not in self._silent]
        return self._pieces.decode(spoken, skip_special_tokens=True).strip()


def _iter_texts(texts: Sequence[Sequence[str]]) -> Iterator[str]:
    return (text for clip in texts for text in clip if text.strip())


def _without_limits(pieces: Pieces) -> Pieces:
    """Return pieces that neither cut nor pad, and to which "</s>" in a text is four characters."""
    pieces.no_padding()
    pieces.no_truncation()
    pieces.encode_special_tokens = True
    return pieces


def _train_bpe(texts: Sequence[Sequence[str]], size: int) -> Pieces:
    special = SpecialTokens()
    names = [special.start, special.pad, special.end, special.unknown, special.mask]
    # Bytes leave nothing unknown: that piece is there for tools that ask for it.
    pieces = Pieces(models.BPE())
    pieces.normalizer = normalizers.NFC()
    # A leading space makes a first word the same piece as one within the text.
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=MIN_MERGE_COUNT,
        special_tokens=names,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pieces.train_from_iterator(_iter_texts(texts), trainer)
    pieces.post_processor = processors.TemplateProcessing(
        single=f"{special.start} $A {special.end}",
        special_tokens=[(name, pieces.token_to_id(name)) for name in (special.start, special.end)],
    )
    return pieces


def _text_stats(texts: Sequence[Sequence[str]], pieces: Pieces, max_tokens: int) -> TextStats:
    """Count tokens, the start and the end of each text included."""
    pieces = _without_limits(Pieces.from_str(pieces.to_str()))
    count = tokens = longest = texts_cut = tokens_cut = 0
    stream = _iter_texts(texts)
    while batch := list(islice(stream, TEXTS_PER_BLOCK)):
        for encoding in pieces.encode_batch_fast(batch, add_special_tokens=False):
            length = len(encoding.ids) + 2
            beyond = max(0, length - max_tokens)
            count, tokens, longest = count + 1, tokens + length, max(longest, length)
            texts_cut, tokens_cut = texts_cut + (beyond > 0), tokens_cut + beyond
    return TextStats(
        texts=count, tokens=tokens, longest=longest, texts_cut=texts_cut, tokens_cut=tokens_cut
    )

"""A small decoder that learns to write captions from frozen frames.

The decoder is that of pre-training, smaller: two blocks over word pieces of train's texts, trained
token by token. It gets audio by its cross-attention alone; the encoder never changes (PAPER section
4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from earmark.config import ConfigError
from earmark.evaluate.base import Frames
from earmark.evaluate.probes.base import Standardizer
from earmark.evaluate.small_training import (
    BestState,
    is_validation_step,
    learning_rate_scale,
    torch_seed,
)
from earmark.evaluate.text_tasks import CaptionedClips
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.decoder import (
    DecoderBatch,
    TokenScores,
    decode_texts,
    decoder_batch,
    score_tokens,
    token_losses,
)
from earmark.pretrain.seeds import derive_seed, seeded_rng
from earmark.pretrain.text.config import MISSING_TEXT_EXTRA, TextModelConfig
from earmark.pretrain.text.models import SDPA_ATTENTION, TextDecoder
from earmark.pretrain.text.tokenizer import Tokenizer, build_tokenizer_spec
from earmark.records import Example

try:
    from transformers import BartConfig
    from transformers.models.bart.modeling_bart import BartDecoder
except ImportError:
    raise ConfigError(MISSING_TEXT_EXTRA) from None

DIM, LAYERS, HEADS = 128, 2, 2
VOCAB_SIZE = 2000
"""Word pieces, at most: enough for some thousand captions."""
BATCH_SIZE = 32
"""Clips of a training step, at most."""
CLIPS_PER_BLOCK = 128
"""Clips that are measured, or written for, at a time."""
DROPOUT = 0.1
LABEL_SMOOTHING = 0.1
WEIGHT_DECAY = 0.01
VALIDATION_CHECKS = 10
"""Times that validation is looked at while training."""

FrameSource = Callable[[Sequence[Example]], Frames]
"""Gives the frames of clips."""


@dataclass(frozen=True)
class FrameReader:
    """What a decoder hears of a clip: frozen frames, each dimension on train's scale."""

    hear: FrameSource
    scaling: Standardizer
    device: torch.device

    def __call__(self, examples: Sequence[Example]) -> Encoded:
        """Return the frames of clips."""
        frames = self.hear(examples)
        mean, deviation = self.scaling.mean, self.scaling.deviation
        values = ((frames.values - mean) / deviation).astype(np.float32)
        return Encoded(
            torch.tensor(values, device=self.device), torch.tensor(frames.mask, device=self.device)
        )


@dataclass(frozen=True)
class TrainedDecoder:
    """A trained decoder, the step it was taken from, and its loss on validation (nats a piece)."""

    decoder: TextDecoder
    pieces: Tokenizer
    step: int
    loss: float

    def write(self, ears: FrameReader, examples: Sequence[Example]) -> list[str]:
        """Return a text for each clip, word by word, the likeliest word each time."""
        texts: list[str] = []
        for first in range(0, len(examples), CLIPS_PER_BLOCK):
            ids = self.decoder.write(
                ears(examples[first : first + CLIPS_PER_BLOCK]),
                start_id=self.pieces.start_id,
                end_id=self.pieces.end_id,
                max_tokens=self.pieces.max_tokens - 1,
            )
            texts.extend(decode_texts(ids, self.pieces))
        return texts


def train_decoder(
    train: CaptionedClips,
    validation: CaptionedClips,
    ears: FrameReader,
    *,
    max_tokens: int,
    steps: int,
    lr: float,
    seed: int,
) -> TrainedDecoder:
    """Train a decoder; the step with the lowest loss on validation is kept.

    Args:
        train: in each step a clip has one of its texts, drawn at random.
        validation: what chooses the step: mean of -log p over pieces; of several texts of a clip
            the first.
        ears: frames.
        max_tokens: longest text, start and end included.
        steps: of AdamW, with a cosine from `lr` to 0 after a tenth of warming up.
        lr: the highest.
        seed: of weights, dropout, batches and texts.
    """
    words = build_tokenizer_spec(
        train.texts, TextModelConfig(bpe_size=VOCAB_SIZE, max_tokens=max_tokens)
    )
    pieces = Tokenizer(words, max_tokens)
    best = BestState()
    with torch_seed(derive_seed(seed, "captioning"), ears.device):
        decoder = _new_decoder(pieces, len(ears.scaling.mean)).to(ears.device)
        optimizer = torch.optim.AdamW(decoder.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = lr * learning_rate_scale(step, steps)
            optimizer.zero_grad()
            clips, texts = _sample_batch(train, seeded_rng(seed, "captioning", step))
            asked = _text_targets(texts, pieces, ears.device)
            token_losses(decoder, ears(clips), asked, LABEL_SMOOTHING).mean().backward()
            nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
            optimizer.step()
            if is_validation_step(step, steps, VALIDATION_CHECKS):
                best.offer(_validation_loss(decoder, pieces, validation, ears), step + 1, decoder)
    best.restore(decoder)
    return TrainedDecoder(decoder, pieces, best.step, best.loss)


def _new_decoder(pieces: Tokenizer, audio_dim: int) -> TextDecoder:
    config = BartConfig(
        vocab_size=pieces.size,
        d_model=DIM,
        decoder_layers=LAYERS,
        decoder_attention_heads=HEADS,
        decoder_ffn_dim=4 * DIM,
        dropout=DROPOUT,
        attention_dropout=DROPOUT,
        max_position_embeddings=pieces.max_tokens,
        pad_token_id=pieces.pad_id,
        bos_token_id=pieces.start_id,
        eos_token_id=pieces.end_id,
        decoder_start_token_id=pieces.start_id,
        **SDPA_ATTENTION,
    )
    return TextDecoder(BartDecoder(config), audio_dim)


def _sample_batch(
    told: CaptionedClips, rng: np.random.Generator
) -> tuple[list[Example], list[str]]:
    places = rng.permutation(len(told.examples))[:BATCH_SIZE]
    texts = [told.texts[place][rng.integers(len(told.texts[place]))] for place in places]
    return [told.examples[place] for place in places], texts


def _text_targets(texts: Sequence[str], pieces: Tokenizer, device: torch.device) -> DecoderBatch:
    word_by_word = torch.zeros(len(texts), dtype=torch.bool)
    return decoder_batch(pieces.encode(texts), word_by_word, pieces, "target").to(device)


@torch.no_grad()
def _validation_loss(
    decoder: TextDecoder, pieces: Tokenizer, told: CaptionedClips, ears: FrameReader
) -> float:
    decoder.eval()
    total = TokenScores()
    for first in range(0, len(told.examples), CLIPS_PER_BLOCK):
        some = slice(first, first + CLIPS_PER_BLOCK)
        texts = [own[0] for own in told.texts[some]]
        total += score_tokens(
            decoder, ears(told.examples[some]), _text_targets(texts, pieces, ears.device)
        )
    decoder.train()
    return total.loss

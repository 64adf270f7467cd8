"""A decoder that writes text from audio frames, word by word or all at once."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from earmark.config import ConfigError
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.text.tokens import MISSING, Tokens

try:
    from transformers import DynamicCache, EncoderDecoderCache
    from transformers.models.bart.modeling_bart import BartDecoder
except ImportError:
    raise ConfigError(MISSING) from None


class TextDecoder(nn.Module):
    """A BART decoder that looks at audio frames; words are read and written by one embedding.

    Masks are given as [batch, 1, queries, keys], which `transformers` takes as they are: so one
    pass holds clips that are decoded word by word beside clips that are decoded in parallel.

    Args:
        decoder: of BART.
        audio_dim: width of the audio encoder's frames.
    """

    def __init__(self, decoder: BartDecoder, audio_dim: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.dim = decoder.embed_tokens.embedding_dim
        self.bridge = nn.Linear(audio_dim, self.dim)

    def forward(
        self, inputs: Tokens, encoded: Encoded, causal: Bool[Tensor, " batch"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return hidden states, of which `logits` makes scores of words.

        Args:
            inputs: what the decoder reads; where its mask is False, nobody looks.
            encoded: frames of the audio encoder.
            causal: whether a clip's positions see only those before them.
        """
        length = inputs.ids.shape[1]
        return self.decoder(
            input_ids=inputs.ids,
            attention_mask=inputs.mask[:, None, None, :] & visible(length, causal),
            encoder_hidden_states=self._bridged(encoded),
            encoder_attention_mask=encoded.mask[:, None, None, :].expand(-1, 1, length, -1),
            use_cache=False,
        ).last_hidden_state

    def logits(self, hidden: Float[Tensor, "*places dim"]) -> Float[Tensor, "*places words"]:
        """Return the scores of all pieces; by the tied embedding, as BART has it."""
        return functional.linear(hidden, self.decoder.embed_tokens.weight)

    @torch.no_grad()
    def write(
        self, encoded: Encoded, *, start_id: int, end_id: int, max_tokens: int
    ) -> Int64[Tensor, "batch written"]:
        """Return the likeliest next piece again and again, up to `max_tokens` or until all ended.

        The start is not returned; what follows a row's end means nothing.
        """
        config = self.decoder.config
        cache = EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))
        frames, heard = self._bridged(encoded), encoded.mask[:, None, None, :]
        piece = torch.full((len(frames), 1), start_id, device=frames.device)
        ended = torch.zeros_like(piece, dtype=torch.bool)
        written: list[Tensor] = []
        while len(written) < max_tokens and not bool(ended.all()):
            hidden = self.decoder(
                input_ids=piece,
                encoder_hidden_states=frames,
                encoder_attention_mask=heard,
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state
            piece = self.logits(hidden[:, -1]).argmax(dim=-1, keepdim=True)
            written.append(piece)
            ended |= piece == end_id
        return torch.cat(written, dim=1)

    def _bridged(self, encoded: Encoded) -> Float[Tensor, "batch frames dim"]:
        return self.bridge(encoded.frames.to(self.bridge.weight.dtype))


def visible(length: int, causal: Bool[Tensor, " batch"]) -> Bool[Tensor, "batch 1 length length"]:
    """Return which position (row) may look at which (column) within a clip's text."""
    past = causal.new_ones(length, length).tril()
    return past | ~causal[:, None, None, None]

"""Text models of `transformers`: a BERT that reads texts, a BART decoder that writes them.

The decoder writes text from audio frames, token by token or all at once. Sizes: "base" as in the
paper (BERT-base, arXiv 1810.04805; BART-base, arXiv 1910.13461), "small" and "mini" after Turc et
al. (arXiv 1908.08962).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from earmark.config import ConfigError, suggest
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.huggingface import silence_transformers
from earmark.pretrain.text.config import MISSING_TEXT_EXTRA, TextModelConfig, TokenizerSpec
from earmark.pretrain.text.tokenizer import Tokenizer, Tokens

try:
    from transformers import DynamicCache, EncoderDecoderCache
    from transformers.models.bart.modeling_bart import BartDecoder
except ImportError:
    raise ConfigError(MISSING_TEXT_EXTRA) from None


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
            attention_mask=inputs.mask[:, None, None, :] & self_attention_mask(length, causal),
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


def self_attention_mask(
    length: int, causal: Bool[Tensor, " batch"]
) -> Bool[Tensor, "batch 1 length length"]:
    """Return which position (row) may look at which (column) within a clip's text."""
    past = causal.new_ones(length, length).tril()
    return past | ~causal[:, None, None, None]


try:
    from transformers import BartConfig, BartModel, BertConfig, BertModel
    from transformers.models.bart.modeling_bart import BartDecoder
except ImportError:
    raise ConfigError(MISSING_TEXT_EXTRA) from None


@dataclass(frozen=True)
class TextModelShape:
    """How many transformer blocks, how wide, with how many attention heads of 64."""

    layers: int
    dim: int
    heads: int


ENCODER_SHAPES = {
    "base": TextModelShape(12, 768, 12),
    "small": TextModelShape(4, 512, 8),
    "mini": TextModelShape(2, 256, 4),
}

DECODER_SHAPES = {
    "base": TextModelShape(6, 768, 12),
    "small": TextModelShape(4, 512, 8),
    "mini": TextModelShape(2, 256, 4),
}

SDPA_ATTENTION: dict[str, Any] = {"attn_implementation": "sdpa"}
"""Others ("eager") add boolean masks [batch, 1, queries, keys] to scores, which hides nothing."""


class TextEncoder(nn.Module):
    """A BERT without its pooler; `dim` is the width of what it returns."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert
        self.dim: int = bert.config.hidden_size

    def forward(self, tokens: Tokens) -> Float[Tensor, "batch tokens dim"]:
        """Return a vector for each piece; the first, of the start, stands for the text ([CLS])."""
        return self.bert(input_ids=tokens.ids, attention_mask=tokens.mask.long()).last_hidden_state


def build_text_encoder(
    config: TextModelConfig, words: TokenizerSpec, *, pretrained: bool
) -> TextEncoder:
    """Return a text encoder.

    Args:
        config: size, or a model by name.
        words: the pieces it reads.
        pretrained: whether the weights of the model that `config` names are loaded; else they are
            drawn afresh in its architecture.

    Raises:
        ConfigError: the model that is named is no BERT, or cannot be had.
    """
    pieces = Tokenizer(words, config.max_tokens)
    if not config.pretrained:
        return TextEncoder(BertModel(_bert_config(config, pieces), add_pooling_layer=False))
    named = BertConfig.from_dict(_check_architecture(config, words, "bert"))
    _check_positions(config, named.max_position_embeddings)
    named.hidden_dropout_prob = named.attention_probs_dropout_prob = config.dropout
    bert: BertModel = (
        _load_model(BertModel, config, named, part="", add_pooling_layer=False)
        if pretrained
        else BertModel(named, add_pooling_layer=False)
    )
    return TextEncoder(_resize_embedding(bert, pieces.size))


def build_text_decoder(
    config: TextModelConfig, words: TokenizerSpec, audio_dim: int, *, pretrained: bool
) -> TextDecoder:
    """Return a text decoder over frames of width `audio_dim`; otherwise as `build_text_encoder`.

    Raises:
        ConfigError: the model that is named is no BART, or cannot be had.
    """
    pieces = Tokenizer(words, config.max_tokens)
    if not config.pretrained:
        return TextDecoder(BartDecoder(_bart_config(config, pieces)), audio_dim)
    named = BartConfig.from_dict(_check_architecture(config, words, "bart") | SDPA_ATTENTION)
    _check_positions(config, named.max_position_embeddings)
    named.dropout = named.attention_dropout = config.dropout
    decoder: BartDecoder = (
        _load_model(BartModel, config, named, part="decoder.").decoder
        if pretrained
        else BartDecoder(named)
    )
    return TextDecoder(_resize_embedding(decoder, pieces.size), audio_dim)


def _bert_config(config: TextModelConfig, pieces: Tokenizer) -> BertConfig:
    shape = ENCODER_SHAPES[config.size]
    return BertConfig(
        vocab_size=pieces.size,
        hidden_size=shape.dim,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.dim,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
        max_position_embeddings=config.max_tokens,
        type_vocab_size=1,
        pad_token_id=pieces.pad_id,
    )


def _bart_config(config: TextModelConfig, pieces: Tokenizer) -> BartConfig:
    shape = DECODER_SHAPES[config.size]
    return BartConfig(
        vocab_size=pieces.size,
        d_model=shape.dim,
        decoder_layers=shape.layers,
        decoder_attention_heads=shape.heads,
        decoder_ffn_dim=4 * shape.dim,
        dropout=config.dropout,
        attention_dropout=config.dropout,
        max_position_embeddings=config.max_tokens,
        pad_token_id=pieces.pad_id,
        bos_token_id=pieces.start_id,
        eos_token_id=pieces.end_id,
        decoder_start_token_id=pieces.start_id,
        **SDPA_ATTENTION,
    )


def _check_architecture(
    config: TextModelConfig, words: TokenizerSpec, wanted: str
) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(words.architecture)
    kind = str(plain.get("model_type"))
    if kind != wanted:
        what = {"bert": "read by a BERT", "bart": "written by the decoder of a BART"}[wanted]
        raise ConfigError(
            f"objective.model.pretrained = {config.pretrained!r} is a model of type {kind!r}, but "
            f"here texts are {what}.{suggest(kind, [wanted])}"
        )
    return plain


def _check_positions(config: TextModelConfig, places: int) -> None:
    if config.max_tokens > places:
        raise ConfigError(
            f"objective.model.max_tokens = {config.max_tokens}, but {config.pretrained!r} knows "
            f"{places} places; lower it to that."
        )


def _load_model(
    kind: Any, config: TextModelConfig, architecture: Any, *, part: str, **options: Any
) -> Any:
    """Return a model with its weights, of which those that begin with `part` are wanted."""
    try:
        with silence_transformers():
            model, found = kind.from_pretrained(
                config.pretrained,
                config=architecture,
                revision=config.revision,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
    except (OSError, RuntimeError, ValueError) as error:
        from earmark.pretrain.text.pretrained import unavailable_model_error

        raise unavailable_model_error(config.pretrained, error) from None
    if lacking := sorted(name for name in found["missing_keys"] if name.startswith(part)):
        raise ConfigError(
            f"objective.model.pretrained = {config.pretrained!r} lacks {len(lacking)} weights of a "
            f"{kind.__name__}, such as {lacking[0]}. Is it another model than its config.json says?"
        )
    return model


def _resize_embedding(model: Any, size: int) -> Any:
    """Return a model with a word embedding for `size` pieces, if it had fewer."""
    if model.config.vocab_size < size:
        model.resize_token_embeddings(size, mean_resizing=False)
    return model

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Pieces
from tokenizers import models, pre_tokenizers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BartModel,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
)

from earmark.config import ConfigError
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.text.config import TextModelConfig, TokenizerSpec
from earmark.pretrain.text.models import TextDecoder, build_text_decoder, build_text_encoder
from earmark.pretrain.text.tokenizer import Tokenizer, Tokens, build_tokenizer_spec

CONFIG = TextModelConfig(size="mini", bpe_size=300, max_tokens=16)
TEXTS = ["A dog barks in the rain.", "Rain."]
DIM = 6


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def words() -> TokenizerSpec:
    return build_tokenizer_spec([(text,) for text in TEXTS], CONFIG)


@pytest.fixture(scope="module")
def tokens(words: TokenizerSpec) -> Tokens:
    tokens = Tokenizer(words, CONFIG.max_tokens).encode(TEXTS)
    assert not tokens.mask.all()
    return tokens


@pytest.fixture(scope="module")
def decoder(words: TokenizerSpec) -> TextDecoder:
    torch.manual_seed(0)
    return build_text_decoder(CONFIG, words, DIM, pretrained=False).eval()


@pytest.fixture(scope="module")
def encoded() -> Encoded:
    frames = torch.randn(2, 5, DIM, generator=torch.Generator().manual_seed(1))
    return Encoded(frames, torch.tensor([[True] * 5, [True] * 3 + [False] * 2]))


CAUSAL = torch.tensor([True, False])


def test_sizes_are_the_papers(words: TokenizerSpec) -> None:
    with torch.device("meta"):
        bert = build_text_encoder(TextModelConfig(), words, pretrained=False)
        bart = build_text_decoder(TextModelConfig(), words, 512, pretrained=False)
    assert (bert.bert.config.num_hidden_layers, bert.dim) == (12, 768)
    assert (len(bart.decoder.layers), bart.dim) == (6, 768)
    assert bert.bert.config._attn_implementation == "sdpa"
    assert bart.decoder.config._attn_implementation == "sdpa"


def test_padding_does_not_change_what_a_text_says(words: TokenizerSpec, tokens: Tokens) -> None:
    encoder = build_text_encoder(CONFIG, words, pretrained=False).eval()
    length = int(tokens.mask[1].sum())
    alone = Tokens(tokens.ids[1:, :length], tokens.mask[1:, :length])
    together = encoder(tokens)[1:, :length]
    torch.testing.assert_close(together, encoder(alone), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("row", "looks_ahead"), [(0, False), (1, True)])
def test_only_parallel_places_see_later_ones(
    decoder: TextDecoder, encoded: Encoded, row: int, looks_ahead: bool
) -> None:
    ids = torch.full((2, 6), 9)
    other = ids.clone()
    other[row, 4] = 11
    mask = torch.ones_like(ids, dtype=torch.bool)
    first, second = (decoder(Tokens(given, mask), encoded, CAUSAL) for given in (ids, other))
    changed = (first - second).abs().amax(dim=-1) > 1e-6
    assert changed[row].tolist() == [looks_ahead] * 4 + [True] * 2
    assert not changed[1 - row].any()


def test_padded_frames_and_pieces_do_not_matter(
    decoder: TextDecoder, tokens: Tokens, encoded: Encoded
) -> None:
    other = Encoded(encoded.frames.masked_fill(~encoded.mask[..., None], 50.0), encoded.mask)
    ids = tokens.ids.masked_fill(~tokens.mask, 7)
    for causal in (CAUSAL, ~CAUSAL):
        first = decoder(tokens, encoded, causal)[tokens.mask]
        second = decoder(Tokens(ids, tokens.mask), other, causal)[tokens.mask]
        torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
        heard = Encoded(encoded.frames + 1.0, encoded.mask)
        assert (decoder(tokens, heard, causal)[tokens.mask] - first).abs().max() > 1e-3


def test_word_by_word_it_is_the_bart_of_transformers(
    decoder: TextDecoder, tokens: Tokens, encoded: Encoded
) -> None:
    theirs = BartForConditionalGeneration(decoder.decoder.config).eval()
    theirs.model.decoder.load_state_dict(decoder.decoder.state_dict())
    theirs.model.shared.weight = theirs.model.decoder.embed_tokens.weight
    theirs.lm_head.weight = theirs.model.decoder.embed_tokens.weight
    expected = theirs(
        encoder_outputs=(decoder.bridge(encoded.frames),),
        attention_mask=encoded.mask.long(),
        decoder_input_ids=tokens.ids,
        decoder_attention_mask=tokens.mask.long(),
    ).logits
    found = decoder.logits(decoder(tokens, encoded, torch.tensor([True, True])))
    torch.testing.assert_close(found[tokens.mask], expected[tokens.mask], atol=1e-5, rtol=1e-5)


def test_writing_with_a_cache_is_writing_without(decoder: TextDecoder, encoded: Encoded) -> None:
    ids = torch.zeros(2, 1, dtype=torch.int64)
    for _ in range(7):
        inputs = Tokens(ids, torch.ones_like(ids, dtype=torch.bool))
        hidden = decoder(inputs, encoded, torch.tensor([True, True]))
        ids = torch.cat([ids, decoder.logits(hidden[:, -1:]).argmax(dim=-1)], dim=1)
    written = decoder.write(encoded, start_id=0, end_id=-1, max_tokens=7)
    assert written.tolist() == ids[:, 1:].tolist()


def test_writing_stops_when_all_have_ended(decoder: TextDecoder, encoded: Encoded) -> None:
    said = decoder.write(encoded, start_id=0, end_id=-1, max_tokens=3)
    assert said.shape == (2, 3)
    one = Encoded(encoded.frames[:1], encoded.mask[:1])
    end = int(said[0, 0])
    assert decoder.write(one, start_id=0, end_id=end, max_tokens=3).tolist() == [[end]]


# Models by name


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return folders of a tiny BERT and a tiny BART, as a model hub would have them."""
    torch.manual_seed(5)
    bert = tmp_path_factory.mktemp("bert")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {name: place for place, name in enumerate([*special, "dog", "rain", "a"])}
    pieces = Pieces(models.WordPiece(vocabulary, unk_token="[UNK]"))
    pieces.pre_tokenizer = pre_tokenizers.Whitespace()
    names = zip(("pad", "unk", "cls", "sep", "mask"), special, strict=True)
    PreTrainedTokenizerFast(
        tokenizer_object=pieces, **{f"{role}_token": name for role, name in names}
    ).save_pretrained(bert)
    shape = {"vocab_size": 8, "max_position_embeddings": 12}
    BertModel(
        BertConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            **shape,
        )
    ).save_pretrained(bert)

    bart = tmp_path_factory.mktemp("bart")
    words = build_tokenizer_spec([(text,) for text in TEXTS], CONFIG)
    PreTrainedTokenizerFast(
        tokenizer_object=Pieces.from_str(words.tokenizer),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    ).save_pretrained(bart)
    config = BartConfig(
        vocab_size=Tokenizer(words, 16).size - 3,  # fewer than there are pieces
        d_model=8,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=12,
    )
    BartModel(config).save_pretrained(bart)
    return {"bert": str(bert), "bart": str(bart)}


def by_name(folder: str, max_tokens: int = 10) -> TextModelConfig:
    return TextModelConfig(pretrained=folder, max_tokens=max_tokens)


def test_a_bert_by_name_brings_words_and_weights(saved: dict[str, str]) -> None:
    config = by_name(saved["bert"])
    words = build_tokenizer_spec([("a dog",)], config)
    assert (words.special.start, words.special.mask) == ("[CLS]", "[MASK]")
    assert words.facts.tokens == 4
    theirs = BertModel.from_pretrained(saved["bert"], add_pooling_layer=False).state_dict()
    ours = build_text_encoder(config, words, pretrained=True).bert.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_a_decoder_by_name_brings_weights_and_room_for_all_pieces(saved: dict[str, str]) -> None:
    config = by_name(saved["bart"])
    words = build_tokenizer_spec([(text,) for text in TEXTS], config)
    theirs = BartModel.from_pretrained(saved["bart"]).decoder.state_dict()
    decoder = build_text_decoder(config, words, DIM, pretrained=True)
    ours = decoder.decoder.state_dict()
    size = Tokenizer(words, 10).size
    assert len(ours["embed_tokens.weight"]) == size
    for name, weight in theirs.items():
        assert torch.equal(ours[name][: len(weight)], weight), name


def test_a_checkpoint_needs_the_words_alone(saved: dict[str, str]) -> None:
    for kind, build in (("bert", build_text_encoder), ("bart", build_text_decoder)):
        config = by_name(saved[kind])
        words = build_tokenizer_spec([(text,) for text in TEXTS], config)
        gone = msgspec.structs.replace(config, pretrained="/nowhere")
        width = (DIM,) if kind == "bart" else ()
        here, there = (
            build(config, words, *width, pretrained=True).state_dict(),
            build(gone, words, *width, pretrained=False).state_dict(),
        )
        assert {k: v.shape for k, v in here.items()} == {k: v.shape for k, v in there.items()}


def test_boolean_masks_are_obeyed_whatever_a_model_asks_for(
    saved: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(saved["bart"], tmp_path, dirs_exist_ok=True)
    asked = json.loads((tmp_path / "config.json").read_text())
    asked |= {"attn_implementation": "eager", "_attn_implementation": "eager"}
    (tmp_path / "config.json").write_text(json.dumps(asked))
    config = by_name(str(tmp_path))
    words = build_tokenizer_spec([(text,) for text in TEXTS], config)
    for pretrained in (True, False):
        decoder = build_text_decoder(config, words, DIM, pretrained=pretrained)
        assert decoder.decoder.config._attn_implementation == "sdpa"


def test_a_text_models_pickle_is_not_read(saved: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(saved["bert"], tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    config = by_name(str(tmp_path))
    words = build_tokenizer_spec([("a dog",)], config)
    with pytest.raises(ConfigError, match=r"safetensors alone: a pickle.*save_pretrained"):
        build_text_encoder(config, words, pretrained=True)


def test_a_text_models_missing_weights_are_told(saved: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(saved["bert"], tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in weights if name.endswith("query.weight"))
    save_file(
        {name: w for name, w in weights.items() if name != gone}, tmp_path / "model.safetensors"
    )
    config = by_name(str(tmp_path))
    words = build_tokenizer_spec([("a dog",)], config)
    with pytest.raises(ConfigError, match=r"lacks 1 weights of a BertModel, such as .*query"):
        build_text_encoder(config, words, pretrained=True)


def test_a_model_that_cannot_be_had_says_how(tmp_path: Path, saved: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="give a folder"):
        build_tokenizer_spec([("a dog",)], by_name("no/such-model"))
    with pytest.raises(ConfigError, match="give a folder"):
        build_tokenizer_spec([("a dog",)], by_name(str(tmp_path)))
    config = by_name(saved["bert"])
    words = build_tokenizer_spec([("a dog",)], config)
    with pytest.raises(ConfigError, match=r"type 'bert'.*BART"):
        build_text_decoder(config, words, DIM, pretrained=True)
    with pytest.raises(ConfigError, match="knows 12 places"):
        build_text_encoder(by_name(saved["bert"], 13), words, pretrained=True)

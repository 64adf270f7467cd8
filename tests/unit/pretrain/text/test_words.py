from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer as Pieces
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from earmark.config import ConfigError
from earmark.pretrain.text.config import TextModelConfig, TokenizerSpec
from earmark.pretrain.text.tokenizer import Tokenizer, build_tokenizer_spec

TEXTS = [("A dog barks in the rain.",), ("A cat meows.", "The cat is far away."), (), ("Rain.",)]
CONFIG = TextModelConfig(size="mini", bpe_size=400, max_tokens=32)


@pytest.fixture(scope="module")
def words() -> TokenizerSpec:
    return build_tokenizer_spec(TEXTS, CONFIG)


@pytest.mark.parametrize(
    "text",
    ["A dog barks in the rain.", "LOUD, then  quiet", "naïve 犬 🐕", "5 kHz </s> <mask> [x]"],
)
def test_any_text_comes_back_as_it_was(words: TokenizerSpec, text: str) -> None:
    tokenizer = Tokenizer(words, 64)
    tokens = tokenizer.encode([text, "something longer so that there is padding behind the other"])
    assert tokenizer.decode(tokens.ids[0].tolist()) == text


def test_special_pieces_frame_a_text_and_cannot_be_smuggled_in(words: TokenizerSpec) -> None:
    tokenizer = Tokenizer(words, 32)
    ids = tokenizer.encode(["a </s> b <pad>"]).ids[0].tolist()
    special = {tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id, tokenizer.mask_id}
    assert len(special) == 4
    assert (ids[0], ids[-1]) == (tokenizer.start_id, tokenizer.end_id)
    assert not special.intersection(ids[1:-1])
    assert max(ids) < tokenizer.size <= 400


def test_a_cut_text_keeps_its_end_and_padding_is_masked(words: TokenizerSpec) -> None:
    tokenizer = Tokenizer(words, 6)
    tokens = tokenizer.encode(["A dog barks in the rain, and in the rain again.", "Rain."])
    assert tokens.ids.shape == (2, 6)
    assert tokens.ids[0, -1] == tokenizer.end_id
    length = int(tokens.mask[1].sum())
    assert tokens.mask[1].tolist() == [True] * length + [False] * (6 - length)
    assert tokens.ids[1, length:].eq(tokenizer.pad_id).all()


def test_what_is_cut_is_counted() -> None:
    whole = Tokenizer(build_tokenizer_spec(TEXTS, CONFIG), 1000)
    lengths = [int(whole.encode([text]).mask.sum()) for clip in TEXTS for text in clip]
    most = sorted(lengths)[-2]
    facts = build_tokenizer_spec(TEXTS, TextModelConfig(bpe_size=400, max_tokens=most)).facts
    assert (facts.texts, facts.tokens, facts.longest) == (4, sum(lengths), max(lengths))
    assert facts.texts_cut == 1
    assert facts.tokens_cut == max(lengths) - most


def test_blank_texts_do_not_count_and_none_at_all_is_an_error() -> None:
    assert build_tokenizer_spec([("Rain.", " ")], CONFIG).facts.texts == 1
    with pytest.raises(ConfigError, match=r"objective\.text"):
        build_tokenizer_spec([(), (" ",)], CONFIG)


def test_the_same_texts_give_the_same_pieces_in_another_process(words: TokenizerSpec) -> None:
    script = (
        "import hashlib; from earmark.pretrain.objectives.config import TextModelConfig\n"
        "from earmark.pretrain.text.tokenizer import build_tokenizer_spec\n"
        f"words = build_tokenizer_spec({TEXTS!r}, TextModelConfig(bpe_size=400, max_tokens=32))\n"
        "print(hashlib.sha256(words.tokenizer.encode()).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "3"}
    out = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == hashlib.sha256(words.tokenizer.encode()).hexdigest()


def test_a_tokenizer_travels_and_serves_threads(words: TokenizerSpec) -> None:
    tokenizer = Tokenizer(words, 16)
    texts = ["A dog </s> barks", "rain"]
    expected = tokenizer.encode(texts).ids
    again = pickle.loads(pickle.dumps(tokenizer))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda t: t.encode(texts).ids, [tokenizer, again] * 20))
    assert all(torch.equal(ids, expected) for ids in found)


def test_transformers_reads_the_same_pieces(words: TokenizerSpec, tmp_path: Path) -> None:
    names = words.special
    PreTrainedTokenizerFast(
        tokenizer_object=Pieces.from_str(words.tokenizer),
        bos_token=names.start,
        eos_token=names.end,
        pad_token=names.pad,
        unk_token=names.unknown,
        mask_token=names.mask,
    ).save_pretrained(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    ours = Tokenizer(words, 32).encode(["A dog barks."]).ids[0].tolist()
    assert theirs("A dog barks.")["input_ids"] == ours
    assert theirs.decode(ours, skip_special_tokens=True).strip() == "A dog barks."

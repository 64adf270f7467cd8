"""Tiny models with random weights, saved as the real ones are, and a few clips for them to hear."""

from __future__ import annotations

import logging
import os
import re

# One thread a process, in the tests and in what they start: read when numpy and torch are imported.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, max_examples=300)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when huggingface_hub is first imported

SPECIAL = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|audio_start|>", "<|audio_end|>", "<|audio_pad|>"),
    *("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"),
]
ROLES = {
    "audio_token": "<|audio_pad|>",
    "audio_bos_token": "<|audio_start|>",
    "audio_eos_token": "<|audio_end|>",
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
}
HEARD = 0.5
"""Spread of the weights: at the usual 0.02 a tiny model writes the same whatever it hears."""
CHAT = (
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n"
    "{% if turn.content is string %}{{ turn.content }}{% else %}{% for part in turn.content %}"
    "{% if part.type == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

ASKED = {
    "What is the instrument of this sound?": ("flute", "harp", "piano", "tuba", "violin"),
    "Does this sound have drums?": ("no", "yes"),
}
"""What the parrot has learnt to be asked."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the cases of slow_cases.txt; refuse a line that matches no test of the suite."""
    lines = Path(__file__).with_name("slow_cases.txt").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    any_pattern = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    for item in items:
        if any_pattern.search(item.nodeid):
            item.add_marker(pytest.mark.slow)
    if config.args == [str(config.rootpath / "tests")] or config.args == ["tests"]:
        ids = "\n".join(item.nodeid for item in items)
        stale = [pattern for pattern in patterns if not re.search(pattern, ids)]
        if stale:
            raise pytest.UsageError(f"slow_cases.txt: no test is called {', '.join(stale)}")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Callable[..., CompletedProcess[str]]:
    """Run the command line in this process: its exit code, and what it wrote."""

    def run(*arguments: str | Path) -> CompletedProcess[str]:
        from earmark.cli import main

        words, out, err, code = ["earmark", *map(str, arguments)], StringIO(), StringIO(), 0
        log = logging.getLogger("earmark")
        before, level = log.handlers[:], log.level
        log.handlers = []  # the command makes its own, on the stderr of now
        monkeypatch.setattr("sys.argv", words)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            log.handlers = before
            log.setLevel(level)
        return CompletedProcess(words, code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def omni(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3-Omni of 0.2 million parameters, laid out as the captioner is: without its voice."""
    transformers = pytest.importorskip("transformers")
    folder, tokenizer = tmp_path_factory.mktemp("omni"), _tokenizer(CHAT)
    config = transformers.Qwen3OmniMoeConfig(
        enable_audio_output=False, thinker_config=_thinker(tokenizer)
    )
    _save(transformers.Qwen3OmniMoeForConditionalGeneration, config, folder)
    tokenizer.save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def qwen2_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2-Audio: it hears, and has no parts for pictures or film."""
    transformers = pytest.importorskip("transformers")
    folder, tokenizer = tmp_path_factory.mktemp("qwen2-audio"), _tokenizer(CHAT)
    config = transformers.Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": 16,
            "d_model": 32,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "initializer_range": HEARD,
        },
        text_config={"model_type": "qwen2", **_writing(tokenizer)},
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
    )
    _save(transformers.Qwen2AudioForConditionalGeneration, config, folder)
    transformers.Qwen2AudioProcessor(
        transformers.WhisperFeatureExtractor(feature_size=16),
        tokenizer,
        chat_template=CHAT,
        audio_token="<|audio_pad|>",
        audio_bos_token="<|audio_start|>",
        audio_eos_token="<|audio_end|>",
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2 with a chat template."""
    return _text_model(tmp_path_factory.mktemp("writer"), CHAT)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without a chat template."""
    return _text_model(tmp_path_factory.mktemp("base"), None)


@pytest.fixture(scope="session")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 of 30,000 parameters that answers by the words that stand where audio would be."""
    transformers = pytest.importorskip("transformers")
    import torch

    from earmark.evaluate.qa.language_model import LanguageModel

    torch.set_num_threads(1)
    folder, tokenizer = tmp_path_factory.mktemp("parrot"), _parrot_tokenizer()
    config = transformers.Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.Qwen2ForCausalLM(config)
    _teach(LanguageModel(model, tokenizer), steps=130)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Path]:
    """Noise at 16 kHz, by duration in seconds."""
    folder, random = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    paths = {seconds: folder / f"{seconds}.wav" for seconds in (2.0, 0.7, 1.3, 10.0)}
    for seconds, path in paths.items():
        soundfile.write(path, 0.1 * random.standard_normal(round(16000 * seconds)), 16000)
    return paths


def _tokenizer(chat: str | None) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=SPECIAL,
        show_progress=False,
    )
    pieces.train_from_iterator(["A dog barks in a quiet yard while rain falls."], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=chat,
        extra_special_tokens=ROLES,
    )


def _thinker(tokenizer: Any) -> dict[str, Any]:
    token = tokenizer.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
    experts = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2}
    return {
        "audio_config": {
            "d_model": 32,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "num_mel_bins": 16,
            "output_dim": 32,
            "downsample_hidden_size": 8,
            "initializer_range": HEARD,
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 16,
        },
        "text_config": {
            **_writing(tokenizer),
            **experts,
            "head_dim": 16,
            "rope_parameters": rope | {"mrope_interleaved": True},
        },
        "audio_token_id": token("<|audio_pad|>"),
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "audio_start_token_id": token("<|audio_start|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "initializer_range": HEARD,
    }


def _writing(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": HEARD,
    }


def _text_model(folder: Path, chat: str | None) -> Path:
    transformers = pytest.importorskip("transformers")
    tokenizer = _tokenizer(chat)
    _save(transformers.Qwen2ForCausalLM, transformers.Qwen2Config(**_writing(tokenizer)), folder)
    tokenizer.save_pretrained(folder)
    return folder


def _save(kind: Any, config: Any, folder: Path) -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)


def _teach(language: Any, steps: int) -> None:
    import torch

    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(language.model.parameters(), lr=1e-2)
    for _ in range(steps):
        rows, targets = zip(*(_lesson(language, rng) for _ in range(16)), strict=True)
        pad = torch.nn.utils.rnn.pad_sequence
        labels = pad(targets, batch_first=True, padding_value=-100)
        loss = language.model(input_ids=pad(rows, batch_first=True), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _lesson(language: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    import torch

    told = {question: str(rng.choice(values)) for question, values in ASKED.items()}
    question = str(rng.choice(list(ASKED)))
    before, after = language.prompt(question)
    words = rng.permutation(list(told.values())).tolist()
    spoken = language.tokenizer(" " + " ".join(words), add_special_tokens=False).input_ids
    start, answer = [*before, *spoken, *after], language.answer(told[question])
    return torch.tensor(start + answer), torch.tensor([-100] * len(start) + answer)


def _parrot_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_end|>"],
        show_progress=False,
    )
    words = [f" {value}" for values in ASKED.values() for value in values]
    texts = [f"\nQuestion: {question}\nAnswer:" for question in ASKED] * 4
    pieces.train_from_iterator([*words * 4, *texts], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=pieces, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )

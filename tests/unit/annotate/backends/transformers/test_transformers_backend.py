"""Captions and tags by tiny random models: equal to `generate` called by hand, batched or not."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.annotate.backends.base import Completion, Prompt, Refusal
from earmark.annotate.backends.chat import TAG_INSTRUCTION
from earmark.annotate.backends.transformers import TransformersConfig
from earmark.config import ConfigError

TEXT = "A dog barks in a quiet yard."


def greedy(folder: Path, **settings: Any) -> TransformersConfig:
    return TransformersConfig(
        model=str(folder), device="cpu", **({"temperature": 0.0, "max_tokens": 12} | settings)
    )


def sampled(folder: Path, **settings: Any) -> TransformersConfig:
    return greedy(folder, **({"temperature": 1.5, "top_p": 1.0} | settings))


def ask(config: TransformersConfig, *prompts: Prompt) -> list[Completion | Refusal]:
    async def together() -> list[Completion | Refusal]:
        async with aclosing(config.build()) as backend:
            return list(await asyncio.gather(*(backend.generate(prompt) for prompt in prompts)))

    return asyncio.run(together())


def hear(path: Path, **fields: Any) -> Prompt:
    return Prompt(id=path.stem, audio=str(path), **fields)


def written(model: Any, inputs: dict[str, Any], tokens: int) -> list[int]:
    """What the library's own greedy decoding writes."""
    made = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
    return made[0, inputs["input_ids"].shape[1] :].tolist()


def cut_at_end(made: list[int], tokenizer: Any) -> Completion:
    """What the backend should make of tokens."""
    end = made.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in made else None
    return Completion(
        text=tokenizer.decode(made[:end], skip_special_tokens=True),
        finish_reason="length" if end is None else "stop",
        tokens_out=len(made[:end]),
    )


@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_caption_is_what_the_model_writes_for_these_features(
    omni: Path, clips: dict[float, Path], seconds: float
) -> None:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(omni)
    wave, _ = soundfile.read(clips[seconds], dtype="float32")
    ear = transformers.WhisperFeatureExtractor.from_pretrained(omni)
    heard = ear(wave, sampling_rate=16000, padding="longest", return_attention_mask=True)
    # 13 tokens a second: Qwen3-Omni technical report, section 2.2 (12.5 Hz, rounded up).
    placeholder = "<|audio_pad|>" * round(13 * seconds)
    text = (
        f"<|im_start|>user\n<|audio_start|>{placeholder}<|audio_end|><|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    inputs = {
        "input_ids": tokenizer(text, return_tensors="pt")["input_ids"],
        "input_features": torch.tensor(np.asarray(heard["input_features"])),
        "feature_attention_mask": torch.tensor(np.asarray(heard["attention_mask"])),
    }
    length = inputs["input_ids"].shape[1]
    whole = transformers.Qwen3OmniMoeForConditionalGeneration.from_pretrained(omni).eval()
    with torch.inference_mode():
        expected = cut_at_end(written(whole.thinker, inputs, 12), tokenizer)
    (answer,) = ask(greedy(omni), hear(clips[seconds], duration_s=seconds))
    assert isinstance(answer, Completion)
    assert answer.tokens_in == length
    assert (answer.text, answer.finish_reason, answer.tokens_out) == (
        *(expected.text, expected.finish_reason, expected.tokens_out),
    )


def test_only_the_window_is_heard(omni: Path, tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * 16000) / 16000)
    noise = 0.5 * np.random.default_rng(0).standard_normal(2 * 16000)
    soundfile.write(tmp_path / "whole.wav", np.concatenate([tone, noise]), 16000)
    soundfile.write(tmp_path / "part.wav", noise, 16000)
    window, other, part = ask(
        greedy(omni),
        hear(tmp_path / "whole.wav", start_s=3.0, duration_s=2.0),
        hear(tmp_path / "whole.wav", start_s=1.0, duration_s=2.0),
        hear(tmp_path / "part.wav"),
    )
    assert window == part != other


@pytest.mark.parametrize("make", [greedy, sampled])
def test_neighbours_in_a_batch_change_nothing(
    omni: Path, clips: dict[float, Path], make: Any
) -> None:
    from earmark.annotate.backends.transformers.generate import ChatModel

    prompts = [hear(path) for path in clips.values()]
    model = ChatModel(make(omni, max_tokens=30))
    alone = [answer for prompt in prompts for answer in model.answer([prompt])]
    assert all(isinstance(answer, Completion) and answer.text for answer in alone)
    assert model.answer(prompts) == alone
    assert model.answer(prompts[::-1]) == alone[::-1]


def test_texts_and_sounds_in_one_batch(omni: Path, clips: dict[float, Path]) -> None:
    from earmark.annotate.backends.transformers.generate import ChatModel

    prompts = [hear(clips[2.0]), Prompt(id="text", text=TEXT), hear(clips[0.7])]
    model = ChatModel(greedy(omni, instruction="{caption}"))
    assert model.answer(prompts) == [answer for one in prompts for answer in model.answer([one])]


def test_a_draw_is_repeated_and_another_differs(omni: Path, clips: dict[float, Path]) -> None:
    first, again, other = (hear(clips[2.0], draw=draw) for draw in (0, 0, 1))
    answers = ask(sampled(omni), first, again, other)
    assert answers[0] == answers[1] != answers[2]
    assert ask(sampled(omni, seed=1), first) == [answers[2]]


def test_an_instruction_stands_beside_the_audio(omni: Path, clips: dict[float, Path]) -> None:
    bare, told = (ask(greedy(omni, instruction=words), hear(clips[2.0]))[0] for words in ("", TEXT))
    assert isinstance(bare, Completion)
    assert isinstance(told, Completion)
    assert told.tokens_in - bare.tokens_in == tokens_of(omni, TEXT)


def test_a_long_answer_is_cut_off(omni: Path, clips: dict[float, Path]) -> None:
    (answer,) = ask(greedy(omni, max_tokens=1), hear(clips[2.0]))
    assert isinstance(answer, Completion)
    assert (answer.finish_reason, answer.tokens_out) == ("length", 1)


def test_an_end_token_ends_the_answer(writer: Path, tmp_path: Path) -> None:
    prompt = Prompt(id="a", text=TEXT)
    (longer,) = ask(greedy(writer, max_tokens=4), prompt)
    folder = shutil.copytree(writer, tmp_path / "copy")
    settings = folder / "generation_config.json"
    ends = list(range(300))
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"eos_token_id": ends}))
    (shorter,) = ask(greedy(folder, max_tokens=4), prompt)
    assert isinstance(longer, Completion)
    assert isinstance(shorter, Completion)
    assert (shorter.finish_reason, shorter.tokens_out) == ("stop", 1)
    assert longer.text.startswith(shorter.text)


def test_a_thinker_saved_by_itself(omni: Path, clips: dict[float, Path], tmp_path: Path) -> None:
    import transformers

    whole = transformers.Qwen3OmniMoeForConditionalGeneration.from_pretrained(omni)
    folder = shutil.copytree(omni, tmp_path / "thinker")
    whole.thinker.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"].endswith("thinker")
    assert ask(greedy(folder), hear(clips[2.0])) == ask(greedy(omni), hear(clips[2.0]))


def test_another_audio_model_by_the_same_way(qwen2_audio: Path, clips: dict[float, Path]) -> None:
    from earmark.annotate.backends.transformers.generate import ChatModel

    prompts = [hear(path) for path in clips.values()]
    model = ChatModel(greedy(qwen2_audio))
    alone = [answer for prompt in prompts for answer in model.answer([prompt])]
    assert len({answer.text for answer in alone if isinstance(answer, Completion)}) == len(clips)
    assert model.answer(prompts) == alone


def test_tagger_fills_the_chat_template(writer: Path) -> None:
    import torch
    import transformers

    (answer,) = ask(greedy(writer, system="Be brief."), Prompt(id="a", text=TEXT))
    tokenizer = transformers.AutoTokenizer.from_pretrained(writer)
    asked = TAG_INSTRUCTION.replace("{caption}", TEXT)
    text = (
        f"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{asked}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    model = transformers.Qwen2ForCausalLM.from_pretrained(writer).eval()
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = cut_at_end(written(model, {"input_ids": ids}, 12), tokenizer)
    assert isinstance(answer, Completion)
    assert answer.text == expected.text
    assert answer.tokens_in == ids.shape[1]


def test_a_base_model_goes_on_from_the_plain_text(base: Path) -> None:
    (answer,) = ask(greedy(base, instruction="Tags of {caption}:"), Prompt(id="a", text=TEXT))
    assert isinstance(answer, Completion)
    assert answer.tokens_in == tokens_of(base, f"Tags of {TEXT}:")


def test_texts_of_mixed_lengths_in_one_batch(writer: Path) -> None:
    from earmark.annotate.backends.transformers.generate import ChatModel

    prompts = [Prompt(id=str(n), text=f"{TEXT} " * n) for n in (1, 5, 2)]
    model = ChatModel(greedy(writer))
    assert model.answer(prompts) == [answer for one in prompts for answer in model.answer([one])]


def test_what_cannot_be_put_to_the_model_is_refused(
    omni: Path, clips: dict[float, Path], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "click.wav", np.zeros(160), 16000)
    (tmp_path / "words.wav").write_text("words")
    prompts = [
        hear(clips[10.0]),
        hear(clips[10.0], start_s=1.0, duration_s=6.0),
        Prompt(id="b", text=TEXT),
        hear(tmp_path / "click.wav"),
        hear(tmp_path / "words.wav"),
        hear(tmp_path / "gone.wav"),
        Prompt(id="c"),
        hear(clips[10.0], start_s=1.0, duration_s=5.0),
    ]
    *refused, answered = ask(
        greedy(omni, max_audio_s=5.0, max_text_characters=10, batch_size=8), *prompts
    )
    reasons = [answer.reason for answer in refused if isinstance(answer, Refusal)]
    assert reasons == [
        *("too long", "too long", "too long", "too short"),
        *("undecodable", "unreadable", "no audio"),
    ]
    assert not any(answer.retryable for answer in refused if isinstance(answer, Refusal))
    assert isinstance(answered, Completion)


def test_sound_for_a_model_that_only_reads(writer: Path, clips: dict[float, Path]) -> None:
    with pytest.raises(ConfigError, match="takes no audio"):
        ask(greedy(writer), hear(clips[2.0]))


def tokens_of(folder: Path, text: str) -> int:
    import transformers

    return len(transformers.AutoTokenizer.from_pretrained(folder)(text)["input_ids"])

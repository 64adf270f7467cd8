"""An adapter from encoder frames to tokens of a frozen language model, which then answers.

The adapter is the only trained part: neighboring frames are concatenated, then Linear-ReLU-Linear
(arXiv 2603.25767, section 4: eight frames, into the space of a language model's word embeddings).
Frames are first standardized by train's mean and deviation, as for a linear probe, so that one
learning rate serves encoders whose features differ in size by orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from earmark.evaluate.base import FrozenEncoder
from earmark.evaluate.probes.base import fit_standardizer
from earmark.evaluate.qa.language_model import LanguageModel
from earmark.evaluate.qa.questions import Question
from earmark.records import Example

ClipFrames = Mapping[str, Float32[Tensor, "frames dim"]]
"""The real frames of each clip, by clip id; clips differ in how many they have."""


def read_clip_frames(encoder: FrozenEncoder, examples: Sequence[Example]) -> ClipFrames | None:
    """Return the frames of clips without their padding; None where one is not finite."""
    clips = list({example.id: example for example in examples}.values())
    frames = encoder.frames(clips)
    rows = zip(frames.values, frames.mask, strict=True)
    real = [values[mask] for values, mask in rows]
    if not all(np.isfinite(values).all() for values in real):
        return None
    return {clip.id: torch.from_numpy(v) for clip, v in zip(clips, real, strict=True)}


class Adapter(nn.Module):
    """Frames -> tokens of a language model.

    Args:
        mean: of train's frames, over time and clips.
        deviation: likewise; a constant dimension has 1.
        stack: frames that become one token.
        width: of a token.
        token_scale: the standard deviation of the model's word embeddings; the tokens start at
            about that size, as no layer of the model has met others.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        mean: Float32[Tensor, " dim"],
        deviation: Float32[Tensor, " dim"],
        *,
        stack: int,
        width: int,
        token_scale: float,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.stack = stack
        self.token_scale = token_scale
        self.layers = nn.Sequential(
            nn.Linear(stack * len(mean), width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(self, clips: Sequence[Float32[Tensor, "_ dim"]]) -> list[Float[Tensor, "_ width"]]:
        """Return the tokens of each clip: one for each `stack` frames begun, at least one.

        Frames that lack in the last token count as the mean.
        """
        stacked = [self._stacked((frames - self.mean) / self.deviation) for frames in clips]
        # All clips in one go, one after another: no padding, so a clip's tokens are its own.
        tokens = self.token_scale * self.layers(torch.cat(stacked))
        return list(tokens.split([len(rows) for rows in stacked]))

    def _stacked(
        self, frames: Float32[Tensor, "frames dim"]
    ) -> Float32[Tensor, "tokens stack_dim"]:
        tokens = max(-(-len(frames) // self.stack), 1)
        lacking = tokens * self.stack - len(frames)
        return nn.functional.pad(frames, (0, 0, 0, lacking)).reshape(tokens, -1)


def init_adapter(
    heard: ClipFrames, *, stack: int, width: int, token_scale: float, seed: int
) -> Adapter:
    """Return an adapter with weights drawn from `seed` for the clips that it will be trained on."""
    scaling = fit_standardizer(torch.cat(list(heard.values())).numpy())
    mean = torch.from_numpy(scaling.mean).float()
    deviation = torch.from_numpy(scaling.deviation).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Adapter(mean, deviation, stack=stack, width=width, token_scale=token_scale)


ANSWERS_PER_BATCH = 64
"""Answers that are rated in one pass: with a vocabulary of 152,000 words, 2 GB of logits."""

IGNORE_INDEX = -100


@dataclass(frozen=True)
class QuestionAnswer:
    """A question with a possible answer, about the clip of this id."""

    clip: str
    question: str
    answer: str


@dataclass(frozen=True)
class AudioLanguageModel:
    """Answers questions about clips by their frames: frames, then the question, then the answer.

    `adapter` alone is ever trained.
    """

    adapter: Adapter
    language: LanguageModel

    def likelihoods(
        self, asked: Sequence[QuestionAnswer], heard: ClipFrames
    ) -> Float32[Tensor, " asked"]:
        """Return the mean log-probability (nats) of each answer's tokens, its end included.

        It is a mean, not a sum: otherwise the shortest option would win.
        """
        clips = list(dict.fromkeys(row.clip for row in asked))
        audio = dict(zip(clips, self._audio([heard[clip] for clip in clips]), strict=True))
        starts = [self._start(audio[row.clip], row.question) for row in asked]
        answers = [self.language.answer(row.answer) for row in asked]
        return self._rate(starts, answers)

    @torch.no_grad()
    def choose(self, questions: Sequence[Question], heard: ClipFrames) -> list[str]:
        """Return the likeliest option of each question; of equals the first."""
        ratings = self.rate(questions, heard)
        return [
            question.options[int(rating.argmax())]
            for question, rating in zip(questions, ratings, strict=True)
        ]

    @torch.no_grad()
    def rate(
        self, questions: Sequence[Question], heard: ClipFrames
    ) -> list[Float32[Tensor, " options"]]:
        """Return the likelihood of every option of each question."""
        rows = [
            QuestionAnswer(q.example.id, q.question, option)
            for q in questions
            for option in q.options
        ]
        blocks = [
            rows[at : at + ANSWERS_PER_BATCH] for at in range(0, len(rows), ANSWERS_PER_BATCH)
        ]
        ratings = torch.cat([self.likelihoods(block, heard).cpu() for block in blocks])
        return list(ratings.split([len(question.options) for question in questions]))

    @torch.no_grad()
    def answer(
        self, frames: Float32[Tensor, "frames dim"], question: str, *, max_tokens: int = 32
    ) -> str:
        """Write an answer of at most `max_tokens` tokens, the likeliest token at each place.

        Args:
            frames: the real frames of one clip, as `read_clip_frames` returns them.
            question: in plain words, without a list of options.
            max_tokens: where an answer that does not end is cut.
        """
        model: Any = self.language.model
        rows = self._start(self._audio([frames])[0], question)[None]
        said: list[int] = []
        past: Any = None
        while len(said) < max_tokens:
            found = model(inputs_embeds=rows, past_key_values=past, use_cache=True)
            said.append(int(found.logits[0, -1].argmax()))
            if said[-1] == self.language.end:
                break
            past, rows = found.past_key_values, self.language.embed(said[-1:])[None]
        return self.language.words(said)

    def _audio(self, clips: Sequence[Float32[Tensor, "_ dim"]]) -> list[Float[Tensor, "_ width"]]:
        return self.adapter([frames.to(self.language.device) for frames in clips])

    def _start(
        self, audio: Float[Tensor, "tokens width"], question: str
    ) -> Float[Tensor, "prompt width"]:
        before, after = self.language.prompt(question)
        words = self.language.embed([*before, *after])
        at = len(before)
        return torch.cat([words[:at], audio.to(words.dtype), words[at:]])

    def _rate(
        self, starts: Sequence[Float[Tensor, "_ width"]], answers: Sequence[list[int]]
    ) -> Float32[Tensor, " rows"]:
        """Rate rows in one pass, padded at their ends: what comes later changes nothing earlier."""
        embed = self.language.embed
        rows = [torch.cat([s, embed(a)]) for s, a in zip(starts, answers, strict=True)]
        lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
        inputs = pad_sequence(rows, batch_first=True)
        places = torch.arange(inputs.shape[1], device=inputs.device)
        targets = self._targets(starts, answers, inputs.shape[1])
        # A token is foretold one place earlier; places before all answers need no logits.
        kept = places[min(map(len, starts)) - 1 : -1]
        found = self.language.model(
            inputs_embeds=inputs,
            attention_mask=(places < lengths[:, None]).long(),
            logits_to_keep=kept,
            use_cache=False,
        )
        return _mean_log_probability(found.logits.float(), targets[:, kept + 1])

    def _targets(
        self, starts: Sequence[Tensor], answers: Sequence[list[int]], longest: int
    ) -> Int64[Tensor, "rows places"]:
        targets = torch.full((len(starts), longest), IGNORE_INDEX)
        for row, (start, answer) in enumerate(zip(starts, answers, strict=True)):
            targets[row, len(start) : len(start) + len(answer)] = torch.tensor(answer)
        return targets.to(self.language.device)


def _mean_log_probability(
    logits: Float32[Tensor, "rows places words"], targets: Int64[Tensor, "rows places"]
) -> Float32[Tensor, " rows"]:
    losses = cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE_INDEX, reduction="none"
    )
    return -losses.view(targets.shape).sum(dim=1) / (targets != IGNORE_INDEX).sum(dim=1)

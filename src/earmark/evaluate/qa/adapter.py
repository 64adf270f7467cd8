"""A frozen language model that hears through an adapter: it rates answers, and writes its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from earmark.evaluate.qa.language_model import LanguageModel
from earmark.evaluate.qa.questions import Question
from earmark.evaluate.questions.adapter import Adapter, Heard

ROWS_AT_ONCE = 64
"""Answers that are rated in one pass: with a vocabulary of 152,000 words, 2 GB of logits."""

NO_TARGET = -100


@dataclass(frozen=True)
class Asked:
    """A question with a possible answer, about the clip of this id."""

    clip: str
    question: str
    answer: str


@dataclass(frozen=True)
class Answerer:
    """Answers questions about clips by their frames: frames, then the question, then the answer.

    `adapter` alone is ever trained.
    """

    adapter: Adapter
    language: LanguageModel

    def likelihoods(self, asked: Sequence[Asked], heard: Heard) -> Float32[Tensor, " asked"]:
        """Return the mean log-probability (nats) of each answer's tokens, its end included.

        It is a mean, not a sum: otherwise the shortest option would win.
        """
        clips = list(dict.fromkeys(row.clip for row in asked))
        audio = dict(zip(clips, self._audio([heard[clip] for clip in clips]), strict=True))
        starts = [self._start(audio[row.clip], row.question) for row in asked]
        answers = [self.language.answer(row.answer) for row in asked]
        return self._rate(starts, answers)

    @torch.no_grad()
    def choose(self, questions: Sequence[Question], heard: Heard) -> list[str]:
        """Return the likeliest option of each question; of equals the first."""
        ratings = self.rate(questions, heard)
        return [
            question.options[int(rating.argmax())]
            for question, rating in zip(questions, ratings, strict=True)
        ]

    @torch.no_grad()
    def rate(
        self, questions: Sequence[Question], heard: Heard
    ) -> list[Float32[Tensor, " options"]]:
        """Return the likelihood of every option of each question."""
        rows = [Asked(q.example.id, q.question, option) for q in questions for option in q.options]
        blocks = [rows[at : at + ROWS_AT_ONCE] for at in range(0, len(rows), ROWS_AT_ONCE)]
        ratings = torch.cat([self.likelihoods(block, heard).cpu() for block in blocks])
        return list(ratings.split([len(question.options) for question in questions]))

    @torch.no_grad()
    def answer(
        self, frames: Float32[Tensor, "frames dim"], question: str, *, max_tokens: int = 32
    ) -> str:
        """Write an answer of at most `max_tokens` tokens, the likeliest token at each place.

        Args:
            frames: the real frames of one clip, as `hear` returns them.
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
        targets = torch.full((len(starts), longest), NO_TARGET)
        for row, (start, answer) in enumerate(zip(starts, answers, strict=True)):
            targets[row, len(start) : len(start) + len(answer)] = torch.tensor(answer)
        return targets.to(self.language.device)


def _mean_log_probability(
    logits: Float32[Tensor, "rows places words"], targets: Int64[Tensor, "rows places"]
) -> Float32[Tensor, " rows"]:
    losses = cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=NO_TARGET, reduction="none"
    )
    return -losses.view(targets.shape).sum(dim=1) / (targets != NO_TARGET).sum(dim=1)

"""Compare two backends: a served model against the same model in this process.

A served model that gets its audio wrongly (another rate, a lost chat template, broken batching)
still writes fluent captions. With greedy decoding, a correct setup starts each answer as the
reference does; rounding makes them differ at last, but not in the first words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from earmark.annotate.backends.base import Backend, Completion, Prompt, Refusal


class AnswerAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far two answers to one prompt agree.

    `share` is the number of equal words before the first difference, over the words of the longer
    answer: 1 where they are equal, 0 where the first word differs or only one answered.
    """

    id: str
    share: float
    first: str
    second: str


async def compare_backends(
    first: Backend, second: Backend, prompts: Sequence[Prompt]
) -> list[AnswerAgreement]:
    """Put each prompt to both backends and compare, in order. Set both to temperature 0.

    A refusal counts as no words, and stands in the answer's place as "refused: reason". The
    backends are used up: both are closed.
    """
    ones = await _generate_all(first, prompts)
    others = await _generate_all(second, prompts)
    return [
        AnswerAgreement(
            id=prompt.id,
            share=shared_prefix_share(_answer_words(one), _answer_words(other)),
            first=_display_text(one),
            second=_display_text(other),
        )
        for prompt, one, other in zip(prompts, ones, others, strict=True)
    ]


def shared_prefix_share(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the share of words that are equal before the first difference; 1 for two of none."""
    longest = max(len(one), len(other))
    pairs = enumerate(zip(one, other, strict=False))
    equal = next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
    return equal / longest if longest else 1.0


async def _generate_all(backend: Backend, prompts: Sequence[Prompt]) -> list[Completion | Refusal]:
    slots = asyncio.Semaphore(backend.concurrency)

    async def ask(prompt: Prompt) -> Completion | Refusal:
        async with slots:
            return await backend.generate(prompt)

    async with aclosing(backend):
        return await asyncio.gather(*(ask(prompt) for prompt in prompts))


def _answer_words(answer: Completion | Refusal) -> list[str]:
    return answer.text.split() if isinstance(answer, Completion) else []


def _display_text(answer: Completion | Refusal) -> str:
    return answer.text if isinstance(answer, Completion) else f"refused: {answer.reason}"

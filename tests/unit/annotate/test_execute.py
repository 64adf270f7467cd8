from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from earmark.annotate.backends.base import Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.scripted import ScriptedAnswer, ScriptedBackend
from earmark.annotate.execute import ATTEMPTS, Answer, answer_all
from earmark.annotate.ledger import Journal
from earmark.records import read_parquet

PROMPTS = [Prompt(id=f"{n:02}", text="x") for n in range(20)]


class BreaksAfter(Backend):
    """Answers `good` prompts, then raises: the stand-in for a crash."""

    fingerprint = "breaks"
    concurrency = 1

    def __init__(self, good: int) -> None:
        self.good = good

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        await asyncio.sleep(0)
        self.good -= 1
        if self.good < 0:
            raise RuntimeError("crash")
        return Completion(text="before the crash")

    def close(self) -> None: ...


class Flaky(Backend):
    """Refuses each prompt `failures` times, as a busy server does."""

    fingerprint = "flaky"
    concurrency = 2

    def __init__(self, failures: int) -> None:
        self.left = {prompt.id: failures for prompt in PROMPTS}

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        self.left[prompt.id] -= 1
        if self.left[prompt.id] >= 0:
            return Refusal(reason="busy", retryable=True)
        return Completion(text="at last")

    def close(self) -> None: ...


def test_every_prompt_has_one_answer_in_order(tmp_path: Path) -> None:
    backend = ScriptedBackend({"03": ScriptedAnswer(id="03", refusal="no")}, default="yes")
    answers = answer_all(PROMPTS, backend, tmp_path, title="t")
    assert [answer.id for answer in answers] == [prompt.id for prompt in PROMPTS]
    assert [answer.id for answer in answers if answer.status == "refused"] == ["03"]
    assert answers[3].reason == "no"
    assert {answer.text for answer in answers if answer.status == "ok"} == {"yes"}
    assert read_parquet(tmp_path / "answers.parquet", Answer) == answers
    assert not (tmp_path / "answers.jsonl").exists()


def test_a_crash_keeps_what_was_answered_and_the_next_call_asks_only_for_the_rest(
    tmp_path: Path,
) -> None:
    with pytest.raises(ExceptionGroup):
        answer_all(PROMPTS, BreaksAfter(7), tmp_path, title="t")
    journal = Journal(tmp_path / "answers.jsonl", Answer, key=lambda answer: answer.id)
    kept = {answer.id for answer in journal.rows()}
    journal.close()
    assert 0 < len(kept) <= 7
    backend = ScriptedBackend({}, default="after")
    answers = answer_all(PROMPTS, backend, tmp_path, title="t")
    assert len(answers) == len(PROMPTS)
    assert sorted(backend.asked) == sorted({prompt.id for prompt in PROMPTS} - kept)


def test_a_sealed_folder_is_not_asked_again(tmp_path: Path) -> None:
    first = answer_all(PROMPTS, ScriptedBackend({}, default="a"), tmp_path, title="t")
    backend = ScriptedBackend({}, default="b")
    assert answer_all(PROMPTS, backend, tmp_path, title="t") == first
    assert backend.asked == []


def test_retryable_refusals_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.annotate.execute.FIRST_PAUSE_S", 0.0)
    (answer,) = answer_all(PROMPTS[:1], Flaky(ATTEMPTS - 1), tmp_path, title="t")
    assert (answer.status, answer.attempts) == ("ok", ATTEMPTS)


def test_attempts_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.annotate.execute.FIRST_PAUSE_S", 0.0)
    (answer,) = answer_all(PROMPTS[:1], Flaky(ATTEMPTS), tmp_path, title="t")
    assert (answer.status, answer.reason, answer.attempts) == ("refused", "busy", ATTEMPTS)


def test_no_prompts(tmp_path: Path) -> None:
    assert answer_all([], ScriptedBackend({}, default="a"), tmp_path, title="t") == []

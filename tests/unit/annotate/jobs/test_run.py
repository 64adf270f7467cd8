"""Every prompt has one answer on the disk, whatever the backend does and whoever is killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.annotate.jobs.answers import Answer, ShardWriter, is_incomplete, stream_answers
from earmark.annotate.jobs.job import BackendConfig, Job, PromptTable
from earmark.annotate.jobs.local import (
    MAX_ATTEMPTS,
    MAX_CONSECUTIVE_FAILURES,
    LocalRunnerConfig,
    run_shards,
)
from earmark.annotate.jobs.run import finish_job, is_job_sealed, run_job, unsealed_shards
from earmark.annotate.jobs.shards import create_shards, journal_path, read_shards
from earmark.annotate.tag import tag_job
from earmark.config import ConfigError
from earmark.records import Caption, Rejected
from earmark.tables import read_parquet, write_jsonl, write_parquet
from earmark.workspace import StageError

BUSY = Refusal(reason="server error", detail="500", retryable=True)
NEVER = Refusal(reason="refused by server", detail="400")
GONE = Refusal(reason="unreadable", detail="no such file", transient=True)


@dataclass
class Stand(Backend):
    """A backend whose answer to a prompt is a function's; its own config, and built once."""

    answer: Callable[[Prompt], Completion | Refusal]
    asked: list[Prompt] = field(default_factory=list[Prompt])
    fingerprint: str = "stand"
    concurrency: int = 4
    needs_canary: bool = False
    discovered: Mapping[str, str] = field(default_factory=lambda: NOTHING_DISCOVERED)

    def build(self) -> Backend:
        return self

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        await asyncio.sleep(0)
        self.asked.append(prompt)
        return self.answer(prompt)

    async def aclose(self) -> None: ...


def say_id(prompt: Prompt) -> Completion:
    return Completion(text=f"a caption of {prompt.id}", tokens_in=2, tokens_out=3)


def no_fault(text: str, finish_reason: str) -> None:
    return None


@pytest.fixture
def table(tmp_path: Path) -> PromptTable:
    rows = [Caption(id=f"{n:02}", text="x", summary="x", backend="b") for n in range(20)]
    write_parquet(tmp_path / "captions.parquet", rows, Caption)
    return PromptTable(tmp_path / "captions.parquet", "text")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.annotate.jobs.local.FIRST_RETRY_PAUSE_S", 0.0)


def job_of(table: PromptTable, backend: BackendConfig, fault: Callable[..., str | None] = no_fault):
    return Job("tag-raw", table, backend, fault, table.path.parent / "answers")


def ids(answers: Sequence[Answer]) -> list[str]:
    return [answer.id for answer in answers]


@pytest.mark.parametrize("shards", [1, 3, 20, 25])
def test_every_prompt_has_one_answer_in_order(table: PromptTable, shards: int) -> None:
    answers = table.path.parent / "answers.jsonl"
    write_jsonl(answers, [{"id": "03", "refusal": "no"}])
    backend = ScriptedConfig(path=str(answers), default="yes")
    job = job_of(table, backend)
    counts = run_job(job, LocalRunnerConfig(shards=shards))
    found = list(stream_answers(job.folder))
    assert ids(found) == [f"{n:02}" for n in range(20)]
    assert [answer.row for answer in found] == list(range(20))
    assert ids([answer for answer in found if answer.status == "refused"]) == ["03"]
    assert counts == {"in": 20, "out": 19, "tag-raw: no": 1}
    assert [row.id for row in read_parquet(job.folder / "rejected.parquet", Rejected)] == ["03"]
    assert not list(job.folder.glob("*.jsonl"))


def test_a_crash_keeps_what_was_answered_and_the_next_call_asks_only_for_the_rest(
    table: PromptTable,
) -> None:
    def crash(prompt: Prompt) -> Completion:
        if prompt.id > "06":
            raise RuntimeError("crash")
        return say_id(prompt)

    with pytest.raises(RuntimeError, match="crash"):
        run_job(job_of(table, Stand(crash)), LocalRunnerConfig())
    folder = table.path.parent / "answers"
    (shard,) = create_shards(folder, 20)
    ledger = ShardWriter(folder, shard, 20)
    kept = {f"{row:02}" for row in ledger.rows if ledger.done[row]}
    ledger.close()
    assert kept <= {f"{n:02}" for n in range(7)}
    backend = Stand(say_id)
    run_job(job_of(table, backend), LocalRunnerConfig())
    assert sorted(prompt.id for prompt in backend.asked) == sorted(
        {f"{n:02}" for n in range(20)} - kept
    )


def test_a_finished_job_asks_nothing(table: PromptTable) -> None:
    first = run_job(job_of(table, Stand(say_id)), LocalRunnerConfig(shards=2))
    backend = Stand(say_id)
    assert run_job(job_of(table, backend), LocalRunnerConfig(shards=2)) == first
    assert backend.asked == []


def test_what_may_pass_is_tried_again_and_counted(table: PromptTable) -> None:
    left = {"05": MAX_ATTEMPTS - 1, "06": MAX_ATTEMPTS}

    def flaky(prompt: Prompt) -> Completion | Refusal:
        left[prompt.id] = left.get(prompt.id, 0) - 1
        return BUSY if left[prompt.id] >= 0 else say_id(prompt)

    job = job_of(table, Stand(flaky))
    run_job(job, LocalRunnerConfig())
    answers = {answer.id: answer for answer in stream_answers(job.folder)}
    assert (answers["05"].status, answers["05"].attempts) == ("ok", MAX_ATTEMPTS)
    assert (answers["06"].status, answers["06"].reason) == ("refused", "server error")
    assert (answers["04"].status, answers["04"].attempts) == ("ok", 1)


def test_what_failed_for_a_passing_reason_is_asked_again_by_the_next_run(
    table: PromptTable,
) -> None:
    def bad_day(prompt: Prompt) -> Completion | Refusal:
        return {"05": BUSY, "06": NEVER}.get(prompt.id) or say_id(prompt)

    job = job_of(table, Stand(bad_day))
    run_job(job, LocalRunnerConfig())
    (shard,) = create_shards(job.folder, 20)
    assert is_incomplete(job.folder, shard)
    backend = Stand(say_id)
    counts = run_job(job_of(table, backend), LocalRunnerConfig())
    assert [prompt.id for prompt in backend.asked] == ["05"]
    assert counts == {"in": 20, "out": 19, "tag-raw: refused by server": 1}
    assert not is_incomplete(job.folder, shard)


def test_a_backend_that_fails_at_everything_uses_up_no_row(tmp_path: Path) -> None:
    count = 3 * MAX_CONSECUTIVE_FAILURES
    rows = [Caption(id=f"{n:03}", text="x", summary="x", backend="b") for n in range(count)]
    write_parquet(tmp_path / "captions.parquet", rows, Caption)
    table = PromptTable(tmp_path / "captions.parquet", "text")

    def sick_from_40(prompt: Prompt) -> Completion | Refusal:
        return BUSY if prompt.id >= "040" else say_id(prompt)

    with pytest.raises(StageError, match=r"32 prompts in a row failed \(32 server error\)"):
        run_job(job_of(table, Stand(sick_from_40)), LocalRunnerConfig())
    backend = Stand(say_id)
    counts = run_job(job_of(table, backend), LocalRunnerConfig())
    assert counts == {"in": count, "out": count}
    assert {prompt.id for prompt in backend.asked} >= {f"{n:03}" for n in range(40, count)}


def test_answers_that_are_on_their_way_are_kept_when_the_backend_falls_ill(tmp_path: Path) -> None:
    count = MAX_CONSECUTIVE_FAILURES + 10
    rows = [Caption(id=f"{n:03}", text="x", summary="x", backend="b") for n in range(count)]
    write_parquet(tmp_path / "captions.parquet", rows, Caption)
    table = PromptTable(tmp_path / "captions.parquet", "text")

    class AtOnce(Stand):
        async def generate(self, prompt: Prompt) -> Completion | Refusal:
            return self.answer(prompt)  # without giving way: all arrive in one group

    def ill(prompt: Prompt) -> Completion | Refusal:
        return say_id(prompt) if prompt.id < "005" else GONE

    with pytest.raises(StageError, match="32 prompts in a row"):
        run_job(job_of(table, AtOnce(ill, concurrency=count)), LocalRunnerConfig())
    backend = Stand(say_id)
    run_job(job_of(table, backend), LocalRunnerConfig())
    assert sorted(prompt.id for prompt in backend.asked) == [f"{n:03}" for n in range(5, count)]


def test_a_kill_before_the_journal_is_dropped_leaves_a_finished_shard(table: PromptTable) -> None:
    job = job_of(table, Stand(say_id))
    run_job(job, LocalRunnerConfig())
    (shard,) = read_shards(job.folder)
    answers = list(stream_answers(job.folder))
    journal_path(job.folder, shard).write_bytes(
        b"".join(msgspec.json.encode(answer) + b"\n" for answer in reversed(answers))
    )
    backend = Stand(say_id)
    run_job(job_of(table, backend), LocalRunnerConfig())
    assert backend.asked == []
    assert not journal_path(job.folder, shard).exists()
    assert list(stream_answers(job.folder)) == answers


def test_what_is_sealed_stays_while_its_failures_are_asked_again(table: PromptTable) -> None:
    def bad_day(prompt: Prompt) -> Completion | Refusal:
        return GONE if prompt.id == "05" else say_id(prompt)

    job = job_of(table, Stand(bad_day))
    run_job(job, LocalRunnerConfig())
    (shard,) = read_shards(job.folder)
    ledger = ShardWriter(job.folder, shard, 20)
    assert ledger.left == 1
    ledger.close()
    assert is_job_sealed(job)
    assert finish_job(job) == {"in": 20, "out": 19, "tag-raw: unreadable": 1}


def test_a_refused_second_draw_leaves_the_first(table: PromptTable) -> None:
    def once(prompt: Prompt) -> Completion | Refusal:
        return NEVER if prompt.draw else Completion(text="short")

    job = job_of(table, Stand(once), lambda text, finish_reason: "too short")
    run_job(job, LocalRunnerConfig())
    answer = next(stream_answers(job.folder))
    assert (answer.status, answer.text, answer.first_draw) == ("ok", "short", "")
    assert answer.attempts == 2


def test_who_only_looks_begins_no_shards(table: PromptTable) -> None:
    job = job_of(table, Stand(say_id))
    assert unsealed_shards(job) == []
    assert not is_job_sealed(job)
    assert not job.folder.exists()


def test_it_works_where_a_loop_runs_already(table: PromptTable) -> None:
    """As in a notebook."""

    async def cell() -> dict[str, int]:
        return run_job(job_of(table, Stand(say_id)), LocalRunnerConfig())

    assert asyncio.run(cell()) == {"in": 20, "out": 20}


def test_an_answer_with_a_fault_is_drawn_once_more(table: PromptTable) -> None:
    def draws(prompt: Prompt) -> Completion:
        good = prompt.id not in ("03", "04") or (prompt.id == "03" and prompt.draw == 1)
        return Completion(text="good" if good else f"bad {prompt.draw}", tokens_out=1)

    def fault(text: str, finish_reason: str) -> str | None:
        return None if text == "good" else "bad"

    backend = Stand(draws)
    job = job_of(table, backend, fault)
    counts = run_job(job, LocalRunnerConfig())
    answers = {answer.id: answer for answer in stream_answers(job.folder)}
    assert len(backend.asked) == 22
    assert counts["out"] == 20  # what is read from an answer is for the next step to say
    assert (answers["03"].text, answers["03"].first_draw) == ("good", "bad 0")
    assert (answers["04"].text, answers["04"].first_draw) == ("bad 1", "bad 0")
    assert (answers["04"].attempts, answers["04"].tokens_out) == (2, 2)
    assert (answers["05"].attempts, answers["05"].first_draw) == (1, "")


def test_the_second_writer_of_a_shard_is_told_of_the_first(table: PromptTable) -> None:
    job = job_of(table, Stand(say_id))
    (shard,) = create_shards(job.folder, 20)
    ledger = ShardWriter(job.folder, shard, 20)
    with pytest.raises(ConfigError, match="being written by process"):
        run_shards(job, [shard])
    ledger.close()
    run_shards(job, [shard])


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, as on a terminal: what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_what_was_answered_is_kept_when_the_run_is_stopped(table: PromptTable) -> None:
    """The disk may be slow: answers wait for it when the user presses Ctrl-C."""

    class Stopped(Stand):
        async def generate(self, prompt: Prompt) -> Completion | Refusal:
            if prompt.id == "12":
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(60)
            return self.answer(prompt)  # without giving way: the writer gets no turn

    with pytest.raises(KeyboardInterrupt):
        run_job(job_of(table, Stopped(say_id, concurrency=1)), LocalRunnerConfig())
    backend = Stand(say_id)
    run_job(job_of(table, backend), LocalRunnerConfig())
    assert sorted(prompt.id for prompt in backend.asked) == [f"{n:02}" for n in range(12, 20)]


def test_a_full_disk_is_told_and_loses_nothing(table: PromptTable) -> None:
    """In a process of its own, whose files may not grow past a few answers."""
    program = """if True:
        import resource, sys
        from pathlib import Path
        from earmark.annotate.backends.scripted import ScriptedConfig
        from earmark.annotate.jobs.local import LocalRunnerConfig
        from earmark.annotate.jobs.job import PromptTable
        from earmark.annotate.jobs.run import run_job
        from earmark.annotate.tag import tag_job

        table, folder = map(Path, sys.argv[1:])
        job = tag_job(table, ScriptedConfig(default='["hum", "tone"]'), folder)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        run_job(job, LocalRunnerConfig())
    """
    folder = table.path.parent / "answers"
    command = [sys.executable, "-c", program, str(table.path), str(folder)]
    full = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "StageError: cannot write" in full.stderr
    assert "File too large" in full.stderr
    kept = [line for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    assert all(line.endswith(b"}") for line in kept)
    job = tag_job(table.path, ScriptedConfig(default='["hum", "tone"]'), folder)
    assert run_job(job, LocalRunnerConfig()) == {"in": 20, "out": 20}


def test_no_prompts(tmp_path: Path) -> None:
    write_parquet(tmp_path / "captions.parquet", [], Caption)
    job = job_of(PromptTable(tmp_path / "captions.parquet", "text"), Stand(say_id))
    assert run_job(job, LocalRunnerConfig()) == {"in": 0, "out": 0}

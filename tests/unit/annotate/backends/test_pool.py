"""A pool of processes: answers, errors and deaths all reach the caller."""

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earmark.annotate.backends.worker_pool import WorkerPool, usable_cores


@pytest.fixture
def work(monkeypatch):
    """The module of work, importable here and in spawned processes alike."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("pool_work")


@pytest.fixture
def pool(work):
    pool = WorkerPool(1, work.set_greeting, "good day")
    yield pool
    pool.close()


def test_answers_come_from_an_initialised_worker(pool, work):
    async def several():
        return await asyncio.gather(*(pool.run(work.greet, name) for name in "abc"))

    assert asyncio.run(several()) == ["good day a", "good day b", "good day c"]


def test_an_error_in_the_work_is_raised_and_the_pool_goes_on(pool, work):
    with pytest.raises(LookupError, match="nobody"):
        asyncio.run(pool.run(work.fail, "nobody"))
    assert asyncio.run(pool.run(work.greet, "again")) == "good day again"


def test_a_worker_that_dies_is_an_error_that_teaches_for_all_who_wait(pool, work):
    async def several():
        waiting = [pool.run(work.die, ""), *(pool.run(work.greet, name) for name in "abc")]
        return await asyncio.gather(*waiting, return_exceptions=True)

    for answer in asyncio.run(several()):
        assert isinstance(answer, RuntimeError)
        assert "worker processes died" in str(answer)
        assert "set fewer workers" in str(answer)
    with pytest.raises(RuntimeError, match="died while greet was running"):
        asyncio.run(pool.run(work.greet, "later"))


def test_a_death_whose_waiters_gave_up_does_not_hang(pool, work):
    async def first_error_ends_all():
        await asyncio.gather(pool.run(work.die, ""), *(pool.run(work.greet, n) for n in "abcdefg"))

    with pytest.raises(RuntimeError, match="worker processes died"):
        asyncio.run(first_error_ends_all())


def test_an_initialiser_that_fails_says_why(work):
    pool = WorkerPool(1, work.set_greeting, "")
    with pytest.raises(ValueError, match="a greeting cannot be empty"):
        asyncio.run(pool.run(work.greet, "anyone"))
    pool.close()


def test_zero_workers_means_every_usable_core():
    pool = WorkerPool(0, abs, -1)
    pool.close()
    assert pool.workers == usable_cores() >= 1


def test_negative_workers_are_refused():
    with pytest.raises(ValueError, match="workers = -1"):
        WorkerPool(-1, abs, -1)


PARENT = """
import asyncio, multiprocessing, time
from earmark.annotate.backends.worker_pool import WorkerPool

if __name__ == "__main__":
    pool = WorkerPool(1, abs, 0)
    asyncio.run(pool.run(abs, -1))
    print(multiprocessing.active_children()[0].pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    outlived = is_running(worker)
    if outlived:
        os.kill(worker, signal.SIGKILL)
    assert not outlived


def is_running(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"

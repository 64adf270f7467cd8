"""The thread that owns a model: gathering, failing, giving up, ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from earmark.annotate.backends.transformers.model_thread import BatchModel, ModelThread


class Upper(BatchModel[str, str]):
    """Writes in capitals; it waits where it is asked to "wait", until it is let go or stopped."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.busy, self.let_go = threading.Event(), threading.Event()

    def answer(self, requests: Sequence[str]) -> list[str]:
        self.batches.append(list(requests))
        if "wait" in requests:
            self.busy.set()
            assert self.let_go.wait(10)
        if "fail" in requests:
            raise ValueError("asked to")
        return [request.upper() for request in requests]

    def stop(self) -> None:
        self.let_go.set()


async def begun(model: Upper, thread: ModelThread[str, str]) -> asyncio.Task[str]:
    task = asyncio.create_task(thread.ask("wait"))
    await asyncio.to_thread(model.busy.wait, 10)
    return task


def test_what_arrives_meanwhile_is_gathered() -> None:
    async def run() -> list[str]:
        thread = ModelThread(lambda: model, batch_size=3)
        first = await begun(model, thread)
        rest = [asyncio.create_task(thread.ask(word)) for word in "abcd"]
        await asyncio.sleep(0)
        model.let_go.set()
        answers = await asyncio.gather(first, *rest)
        await thread.aclose()
        return answers

    model = Upper()
    assert asyncio.run(run()) == ["WAIT", "A", "B", "C", "D"]
    assert model.batches == [["wait"], ["a", "b", "c"], ["d"]]


def test_a_failure_reaches_who_asked_and_the_thread_goes_on() -> None:
    async def run() -> str:
        thread = ModelThread(Upper, batch_size=1)
        with pytest.raises(ValueError, match="asked to"):
            await thread.ask("fail")
        answer = await thread.ask("a")
        await thread.aclose()
        return answer

    assert asyncio.run(run()) == "A"


def test_who_gave_up_is_not_answered() -> None:
    async def run() -> None:
        thread = ModelThread(lambda: model, batch_size=2)
        first = await begun(model, thread)
        gone, stays = (asyncio.create_task(thread.ask(word)) for word in "ab")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        model.let_go.set()
        assert await stays == "B"
        assert await first == "WAIT"
        await thread.aclose()

    model = Upper()
    asyncio.run(run())
    assert model.batches == [["wait"], ["b"]]


def test_closing_breaks_off() -> None:
    async def run() -> None:
        thread = ModelThread(lambda: model, batch_size=1)
        running = await begun(model, thread)
        waiting = asyncio.create_task(thread.ask("a"))
        await asyncio.sleep(0)
        await thread.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await running
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(RuntimeError, match="closed"):
            await thread.ask("b")

    model, before = Upper(), threading.active_count()
    asyncio.run(run())
    assert model.batches == [["wait"]]
    assert threading.active_count() == before


def test_closing_what_never_ran() -> None:
    asyncio.run(ModelThread(Upper, batch_size=1).aclose())

"""Whose fault it is: the prompt's is a refusal, the server's is waited for, the user's is told."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from email.utils import formatdate

import pytest
from scripted_server import (
    DROP,
    RealClock,
    Say,
    ScriptedServer,
    WatchedClock,
    ask_once,
    asking,
    config_for,
    run,
    said,
    serving,
    text,
)

from earmark.annotate.backends.base import Completion, Prompt, Refusal
from earmark.annotate.backends.endpoint.backend import EndpointBackend
from earmark.annotate.backends.endpoint.balancer import LoadBalancer
from earmark.config import ConfigError
from earmark.workspace import StageError

BUSY = Say(429, "slow down")
DOWN = Say(503, "loading")
BROKEN = Say(500, "out of memory")
HTML = Say(200, "<html>Bad gateway</html>")
NO_CHOICES = Say(200, '{"choices": []}')
MORE = 20  # other prompts, where there must be some


def test_completion_holds_text_reason_and_tokens():
    answer, server = ask_once([said("Rain.", "length")])
    assert answer == Completion(text="Rain.", finish_reason="length", tokens_in=11, tokens_out=7)
    assert server.headers[0]["Content-Type"] == "application/json"


def test_content_may_be_null_and_usage_missing():
    body = '{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}'
    assert ask_once([Say(body=body)])[0] == Completion(text="")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_the_server_will_not_take_is_final(status: int):
    answer, server = ask_once([Say(status, "x" * 500)])
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.retryable) == ("refused by server", False)
    assert answer.detail.startswith(f"{status}: xxx")
    assert len(answer.detail) < 320
    assert len(server.bodies) == 1


@pytest.mark.parametrize(("asked", "wait_s"), [("7", 7.0), ("date", 30.0)])
def test_retry_after_is_honoured(asked: str, wait_s: float):
    watched = WatchedClock()
    header = formatdate(watched.now_s + wait_s, usegmt=True) if asked == "date" else asked
    busy = Say(429, "slow down", {"Retry-After": header})
    answer, server = ask_once([busy, said()], watched=watched)
    assert isinstance(answer, Completion)
    assert len(server.bodies) == 2
    (slept,) = watched.slept
    assert wait_s <= slept <= 1.25 * wait_s


def test_a_server_that_turns_everybody_away_is_left_alone_for_as_long_as_it_asks():
    wait_s = 0.4
    times: list[float] = []

    def note(_: object) -> Say:
        times.append(time.monotonic())
        open_again = times[-1] - times[0] > wait_s
        return said() if open_again else Say(429, "quota", {"Retry-After": str(wait_s)})

    async def test(backend: EndpointBackend, server: ScriptedServer) -> list[object]:
        server.otherwise = note
        return await asyncio.gather(*(backend.generate(text(i)) for i in range(60)))

    answers = run(test, watched=RealClock())
    assert all(isinstance(answer, Completion) for answer in answers)
    early = [at for at in times if at - times[0] <= wait_s]
    assert len(early) < 40, "those that waited their turn were not sent on"


def test_a_server_that_turns_a_few_away_goes_on_with_the_others():
    sent: list[float] = []
    watched = WatchedClock()

    def note(body: dict[str, object]) -> Say:
        sent.append(watched.now_s)
        return Say(429, "", {"Retry-After": "60"}) if len(sent) == 30 else said()

    async def test(backend: EndpointBackend, server: ScriptedServer) -> None:
        server.otherwise = note
        await asyncio.gather(*(backend.generate(text(i)) for i in range(60)))
        assert not backend._exchange.servers.all[0].away

    run(test, watched=watched)
    assert len(sent) == 61
    assert len(watched.slept) == 1


def test_429_without_a_time_backs_off_with_jitter_and_is_no_attempt():
    watched = WatchedClock()
    answer, server = ask_once([BUSY] * 6, watched=watched)
    assert isinstance(answer, Completion)
    assert len(server.bodies) == 7
    assert len(watched.slept) == 6
    assert len(set(watched.slept)) == 6
    bounds = [0.5 * 2**n for n in range(6)]
    assert all(slept <= bound for slept, bound in zip(watched.slept, bounds, strict=True))


@pytest.mark.parametrize("fault", [DOWN, DROP])
def test_a_server_that_is_down_is_waited_for(fault: Say):
    async def test(backend: EndpointBackend, server: ScriptedServer) -> tuple[object, int]:
        return await backend.generate(text()), server.looks

    answer, looks = run(test, [fault], models=[DOWN, DOWN, Say(502), DOWN])
    assert isinstance(answer, Completion)
    assert looks == 5


def test_503_with_a_time_is_left_alone_that_long():
    watched = WatchedClock()
    answer, _ = ask_once([Say(503, "", {"Retry-After": "40"})], watched=watched)
    assert isinstance(answer, Completion)
    assert watched.slept == [40.0]


def test_a_server_that_has_not_started_yet_is_waited_for():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    async def main() -> object:
        late = ScriptedServer()
        late.url = f"http://127.0.0.1:{port}/v1"
        watched = WatchedClock()
        async with asking(config_for(late, patience_s=1e6), watched) as backend:
            answer = asyncio.create_task(backend.generate(text()))
            while len(watched.slept) < 4:
                await asyncio.sleep(0.001)
            assert not answer.done()
            async with serving(late, port):
                return await answer

    assert isinstance(asyncio.run(main()), Completion)


def test_patience_has_an_end():
    async def test(backend: EndpointBackend, server: ScriptedServer) -> list[object]:
        server.otherwise = DOWN
        server.models = [DOWN] * 10_000
        prompts = [backend.generate(text(i)) for i in range(4)]
        return await asyncio.gather(*prompts, return_exceptions=True)

    answers = run(test, patience_s=120)
    assert [type(answer) for answer in answers] == [StageError] * 4
    told = str(answers[0])
    for word in ("127.0.0.1", "120 s", "503: loading", "on disk", "same command"):
        assert word in told


def test_patience_ends_for_a_server_that_is_only_ever_busy():
    async def test(backend: EndpointBackend, server: ScriptedServer) -> None:
        server.otherwise = BUSY
        with pytest.raises(StageError, match="429: slow down"):
            await backend.generate(text())

    run(test, patience_s=100)


def test_patience_starts_anew_with_every_answer():
    watched = WatchedClock()
    script = [*[BUSY] * 3, said()] * 30

    async def test(backend: EndpointBackend, _: ScriptedServer) -> None:
        for number in range(30):
            assert isinstance(await backend.generate(text(number)), Completion)

    run(test, script, watched=watched, patience_s=20)
    assert sum(watched.slept) > 20


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (BROKEN, "server error"),
        (Say(504), "timeout"),
        (HTML, "bad answer"),
        (NO_CHOICES, "bad answer"),
        (Say(), "bad answer"),
    ],
)
def test_a_poison_prompt_is_refused_while_others_pass(fault: Say, reason: str):
    def poisoned(body: dict[str, object]) -> Say:
        return fault if "poison" in str(body["messages"]) else said()

    async def test(backend: EndpointBackend, server: ScriptedServer) -> list[object]:
        server.otherwise = poisoned
        prompts = [text(i) for i in range(MORE)]
        prompts[7] = text(7, "poison")
        return await asyncio.gather(*(backend.generate(prompt) for prompt in prompts))

    answers = run(test, concurrency=4)
    refused = answers.pop(7)
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.retryable) == (reason, True)
    assert all(isinstance(answer, Completion) for answer in answers)


def test_a_poison_prompt_that_is_alone_is_told_by_a_greeting():
    answer, server = ask_once([BROKEN])
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.retryable) == ("server error", True)
    assert server.looks == 1
    assert server.bodies[1]["max_tokens"] == 1


def test_a_stuck_engine_is_the_servers_fault_even_where_it_lists_models():
    answer, server = ask_once([BROKEN, BROKEN, BROKEN, BROKEN])
    assert isinstance(answer, Completion)
    assert [body["max_tokens"] for body in server.bodies] == [2048, 1, 2048, 1, 2048]


def test_no_answer_in_time_is_retryable_where_the_server_works():
    async def test(backend: EndpointBackend, server: ScriptedServer) -> object:
        return await backend.generate(text())

    answer = run(test, [Say(after=asyncio.Event())], timeout_s=0.2)
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.retryable) == ("timeout", True)


def test_a_prompt_that_breaks_the_server_each_time_is_refused_in_the_end():
    answer, server = ask_once([DROP, DROP, DROP])
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.retryable) == ("connection lost", True)
    assert server.bodies[-1]["max_tokens"] == 1


def test_a_proxy_before_a_dead_engine_does_not_burn_prompts():
    """Connections break however small the request: it is not the prompt."""
    answer, _ = ask_once([DROP] * 12)
    assert isinstance(answer, Completion)


def test_least_loaded_of_two_servers():
    gate = asyncio.Event()

    async def main() -> None:
        async with serving(ScriptedServer()) as one, serving(ScriptedServer()) as other:
            one.otherwise = other.otherwise = Say(200, said().body, after=gate)
            async with asking(config_for(one, other, concurrency=4)) as backend:
                asked = [asyncio.create_task(backend.generate(text(i))) for i in range(6)]
                while one.in_flight + other.in_flight < 6:
                    await asyncio.sleep(0.001)
                gate.set()
                await asyncio.gather(*asked)
            assert one.most_in_flight == other.most_in_flight == 3

    asyncio.run(main())


def test_the_quicker_server_gets_more():
    gate = asyncio.Event()

    async def main() -> None:
        async with serving(ScriptedServer()) as slow, serving(ScriptedServer()) as quick:
            slow.otherwise = Say(200, said().body, after=gate)
            async with asking(config_for(slow, quick, concurrency=4)) as backend:
                asked = [asyncio.create_task(backend.generate(text(i))) for i in range(40)]
                while len(quick.bodies) < 36:
                    await asyncio.sleep(0.001)
                gate.set()
                await asyncio.gather(*asked)
            assert len(slow.bodies) == 4

    asyncio.run(main())


def test_requests_of_a_dead_server_go_to_the_other():
    async def main() -> list[object]:
        async with serving(ScriptedServer()) as dead, serving(ScriptedServer()) as alive:
            dead.otherwise = DOWN
            dead.models = [DOWN] * 10_000
            async with asking(config_for(dead, alive, patience_s=1e9)) as backend:
                answers = await asyncio.gather(*(backend.generate(text(i)) for i in range(40)))
            assert len(alive.bodies) == 40
            assert len(dead.bodies) <= 32
            return list(answers)

    assert all(isinstance(answer, Completion) for answer in asyncio.run(main()))


def test_never_more_in_flight_than_the_limit():
    async def test(backend: EndpointBackend, server: ScriptedServer) -> int:
        await asyncio.gather(*(backend.generate(text(i)) for i in range(60)))
        return server.most_in_flight

    assert run(test, concurrency=5) <= 5


def test_cancelled_requests_leave_their_place_to_others():
    gate = asyncio.Event()

    async def test(backend: EndpointBackend, server: ScriptedServer) -> object:
        server.script = [Say(200, said().body, after=gate)]
        asked = [asyncio.create_task(backend.generate(text(i))) for i in range(3)]
        while not server.bodies:
            await asyncio.sleep(0.001)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        return await backend.generate(text(9))

    assert isinstance(run(test, concurrency=1), Completion)


def test_a_place_given_to_a_request_just_cancelled_is_not_lost():
    async def main() -> None:
        async def look(_: str) -> None: ...

        clock = WatchedClock().clock()
        servers = LoadBalancer(["http://here/v1"], 1, 10.0, look, clock, random.Random(0))
        lease = await servers.acquire()
        waiting = asyncio.create_task(servers.acquire())
        await asyncio.sleep(0)
        servers.release(lease, None)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(servers.acquire(), 1.0)

    asyncio.run(main())


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_key_is_the_users_to_mend(status: int):
    with pytest.raises(ConfigError, match="api_key_variable"):
        ask_once([Say(status, "who are you?")])


def test_an_unknown_model_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'tager'.*Did you mean 'tagger'"):
        ask_once([Say(404, "no such model")], model="tager")


def test_400_for_an_unknown_model_is_told_too():
    with pytest.raises(ConfigError, match="Did you mean 'tagger'"):
        ask_once([Say(400, '{"error": {"code": "model_not_found"}}')], model="tager")


def test_404_of_a_known_model_is_the_prompts():
    answer, _ = ask_once([Say(404, "file not found")])
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.retryable) == ("refused by server", False)


def test_404_without_models_is_a_wrong_url():
    async def test(backend: EndpointBackend, server: ScriptedServer) -> None:
        with pytest.raises(ConfigError, match="base URL"):
            await backend.generate(text())

    run(test, [Say(404)], models=[Say(404)])


def test_a_redirect_is_not_followed_but_told():
    with pytest.raises(ConfigError, match="it moved to http://there/v1"):
        ask_once([Say(307, "", {"Location": "http://there/v1"})])


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        (Prompt(id="a", text="x" * 101), "too long"),
        (Prompt(id="a", audio="/nowhere/a.wav"), "unreadable"),
    ],
)
def test_what_cannot_be_asked_is_refused_without_a_request(prompt: Prompt, reason: str):
    async def test(backend: EndpointBackend, server: ScriptedServer) -> tuple[object, int]:
        return await backend.generate(prompt), len(server.bodies)

    answer, requests = run(test, max_text_characters=100)
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.retryable, requests) == (reason, False, 0)


@pytest.mark.parametrize("refused", [BUSY, DOWN])
@pytest.mark.parametrize("others", [0, 40])
def test_a_prompt_that_is_always_turned_away_is_refused_in_the_end(refused: Say, others: int):
    """Some servers say 429 to what is too long for them, however often it is put."""

    def choose(body: object) -> Say:
        return refused if "too much" in str(body) else said()

    async def test(backend: EndpointBackend, server: ScriptedServer) -> list[object]:
        server.otherwise = choose
        prompts = [text(i) for i in range(others)]
        return await asyncio.gather(
            backend.generate(text(words="too much")), *(backend.generate(one) for one in prompts)
        )

    bad, *good = run(test)
    assert isinstance(bad, Refusal)
    assert (bad.reason, bad.retryable, bad.transient) == ("turned away", False, True)
    assert all(isinstance(answer, Completion) for answer in good)

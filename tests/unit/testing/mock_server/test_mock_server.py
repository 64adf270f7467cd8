from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

RAIN = "Description:\nHeavy rain falls on a tin roof while a dog barks at thunder."
SCHEMA = {"type": "json_schema", "json_schema": {"name": "tags", "schema": {"type": "array"}}}


def test_a_text_is_tagged_and_the_answer_has_the_fields_of_the_api(with_server):
    async def scene(client):
        status, body = await client.chat(RAIN, response_format=SCHEMA)
        assert status == 200
        assert body["object"] == "chat.completion"
        assert body["model"] == "m"
        assert body["choices"][0]["finish_reason"] == "stop"
        assert body["usage"]["completion_tokens"] > 0
        assert "rain" in json.loads(body["choices"][0]["message"]["content"])

    with_server(scene)


def test_it_hears_what_is_sent_in_any_of_three_ways(with_server, sounds, part, tmp_path: Path):
    file = tmp_path / "a tone.flac"
    file.write_bytes(sounds["tone"])
    data = "data:audio/flac;base64," + base64.b64encode(sounds["tone"]).decode()

    async def scene(client):
        captions = {name: await client.text(part(sound)) for name, sound in sounds.items()}
        assert len(set(captions.values())) == 4
        assert "nothing can be heard" in captions["silence"]
        assert "noisy" in captions["noise"]
        assert captions["tone"].split("\n\n")[-1].startswith("In summary")
        for url in (data, file.as_uri()):
            content = [{"type": "audio_url", "audio_url": {"url": url}}]
            assert await client.text(content) == captions["tone"]

    with_server(scene)


def test_without_listening_captions_still_depend_on_the_audio_alone(with_server, sounds, part):
    async def scene(client):
        first, second = part(sounds["noise"]), part(sounds["tone"])
        caption = await client.text(first)
        assert caption == await client.text(first)
        assert caption != await client.text(second)

    with_server(scene, listen=False)


def test_it_counts_requests_by_content(with_server):
    async def scene(client):
        for text in ("one", "two", "one"):
            await client.chat(text)
        stats = await client.stats()
        assert stats["requests"] == stats["completed"] == 3
        assert sorted(stats["requests_by_key"].values()) == [1, 2]
        assert sorted(stats["completed_by_key"].values()) == [1, 2]
        assert stats["by_status"] == {"200": 3}
        assert stats["in_flight"] == 0

    with_server(scene)


def test_no_more_than_its_slots_are_served_at_once(with_server):
    async def scene(client):
        asked = [asyncio.create_task(client.chat(str(n))) for n in range(5)]
        served = 0
        while not all(task.done() for task in asked):
            stats = await client.stats()
            served = max(served, stats["being_served"])
        assert served == 2
        assert (await client.stats())["max_in_flight"] == 5

    with_server(scene, slots=2, latency_s=0.05)


def test_a_client_that_leaves_frees_its_slot(with_server):
    async def scene(client):
        first = asyncio.create_task(client.chat("slow"))
        while (await client.stats())["being_served"] == 0:
            await asyncio.sleep(0.005)
        first.cancel()
        while (await client.stats())["being_served"] == 1:
            await asyncio.sleep(0.005)
        assert (await client.stats())["by_status"] == {"left": 1}

    with_server(scene, slots=1, latency_s=60)


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "image_url", "image_url": {"url": "x"}}],
        [{"type": "input_audio"}],
        [{"type": "input_audio", "input_audio": {"data": "%%%", "format": "wav"}}],
        [{"type": "input_audio", "input_audio": {"data": "QUFB", "format": "wav"}}],
        [{"type": "audio_url", "audio_url": {"url": "file:///no/such.wav"}}],
        [{"type": "audio_url", "audio_url": {"url": "https://example.org/a.wav"}}],
    ],
)
def test_what_it_cannot_take_is_a_400(with_server, content: Any):
    async def scene(client):
        status, body = await client.chat(content)
        assert status == 400
        assert body["error"]["message"]

    with_server(scene)


def test_a_busy_server_says_how_long_to_wait(with_server):
    async def scene(client):
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        url = f"{client.url}/v1/chat/completions"
        async with client.session.post(url, json=body) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "0.5")

    with_server(scene, busy_share=1, retry_after_s=0.5)


def test_errors_html_and_poison(with_server):
    async def errors(client):
        assert (await client.chat("x"))[0] == 500

    async def html(client):
        status, body = await client.chat("x")
        assert status == 200
        assert body.startswith("<html>")

    async def poison(client):
        assert (await client.chat("a bad word"))[0] == 500
        assert (await client.chat("a good word"))[0] == 200

    with_server(errors, error_share=1)
    with_server(html, html_share=1)
    with_server(poison, poison="bad")


def test_a_hanging_request_ends_when_the_client_has_had_enough(with_server):
    async def scene(client):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.chat("x"), 0.1)
        while (await client.stats())["in_flight"]:
            await asyncio.sleep(0.005)
        assert (await client.stats())["by_status"] == {"left": 1}

    with_server(scene, timeout_share=1)


def test_an_outage_answers_503_or_cuts_the_connection(with_server):
    async def refused(client):
        assert (await client.get("/health"))[0] == 200
        assert (await client.chat("x"))[0] == 503
        assert (await client.get("/health"))[0] == 503
        assert (await client.get("/v1/models"))[0] == 503

    async def cut(client):
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.chat("x")
        assert (await client.stats())["by_status"] == {"reset": 1}

    with_server(refused, outage_s=60)
    with_server(cut, outage_s=60, outage_kind="reset")


def test_too_long_an_audio_makes_it_sick(with_server, sounds, part):
    async def scene(client):
        assert (await client.chat(part(sounds["tone"])))[0] == 200
        assert (await client.chat(part(sounds["long"])))[0] == 500
        assert (await client.chat(part(sounds["tone"])))[0] == 500
        assert (await client.get("/health"))[0] == 500

    with_server(scene, fail_over_s=3, sick_s=60)


def test_it_can_ignore_the_audio(with_server, sounds, part):
    async def scene(client):
        captions = {await client.text(part(sound)) for sound in sounds.values()}
        assert len(captions) == 1

    with_server(scene, ignore_audio=True)


def test_it_can_mix_up_what_is_in_flight_together(with_server, sounds, part):
    async def scene(client):
        tone, noise = part(sounds["tone"]), part(sounds["noise"])
        alone = [await client.text(tone), await client.text(noise)]
        together = await asyncio.gather(client.text(tone), client.text(noise))
        assert together == alone[::-1]

    with_server(scene, mix_up=True, latency_s=0.2, latency_sigma=0)


@pytest.mark.parametrize("status", [400, 500])
def test_a_response_format_that_it_has_not(with_server, status: int):
    async def scene(client):
        assert (await client.chat(RAIN, response_format=SCHEMA))[0] == status
        assert (await client.chat(RAIN))[0] == 200

    with_server(scene, response_formats=("none",), unsupported_status=status)


def test_tags_are_untidy_only_where_no_format_was_asked(with_server):
    async def scene(client):
        texts = [f"{RAIN} {n}" for n in range(60)]
        free = [await client.text(text) for text in texts]
        held = [await client.text(text, response_format=SCHEMA) for text in texts]
        assert any("```" in text for text in free)
        assert all(isinstance(json.loads(text), list) for text in held)

    with_server(scene, untidy_share=1)


def test_a_faulty_caption_may_come_right_with_another_seed(with_server, sounds, part):
    async def scene(client):
        tone = part(sounds["tone"])
        drawn = [await client.text(tone, seed=seed) for seed in range(12)]
        assert len(set(drawn)) == 2
        assert drawn[0] == await client.text(tone, seed=0)

    with_server(scene, lint_share=0.5)


def test_a_key_is_required_where_one_is_named(with_server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EARMARK_TEST_KEY", "a secret")

    async def scene(client):
        assert (await client.chat("x"))[0] == 401
        client.session.headers["Authorization"] = "Bearer a secret"
        assert (await client.chat("x"))[0] == 200

    with_server(scene, require_key="EARMARK_TEST_KEY")

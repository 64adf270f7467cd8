"""How a server's way of holding answers to a schema is found, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from scripted_server import TAGS, Say, ScriptedServer, run, said

from earmark.annotate.backends.base import Completion, Prompt
from earmark.annotate.backends.endpoint.backend import EndpointBackend
from earmark.annotate.backends.endpoint.request import is_tag_list

PROSE = said("Tags: rain, roof")
PROMPT = Prompt(id="a", text="Rain on a roof.")


def ask_three(script: list[Say], **settings: Any) -> tuple[str | None, list[str]]:
    """Put three texts at once; returns what was found, and the format of each request."""

    async def test(
        backend: EndpointBackend, server: ScriptedServer
    ) -> tuple[str | None, list[str]]:
        answers = await asyncio.gather(*(backend.generate(PROMPT) for _ in range(3)))
        assert all(isinstance(answer, Completion) for answer in answers)
        formats = [body.get("response_format", {"type": "none"}) for body in server.bodies]
        return backend.response_format, [form["type"] for form in formats]

    return run(test, script, response_format="auto", **settings)


@pytest.mark.parametrize(
    ("script", "response_format", "probes"),
    [
        ([said(TAGS)], "json_schema", ["json_schema"]),
        ([Say(400, "no"), said(TAGS)], "json_object", ["json_schema", "json_object"]),
        ([PROSE, said(TAGS)], "json_object", ["json_schema", "json_object"]),
        ([Say(400, "no"), PROSE], "none", ["json_schema", "json_object"]),
    ],
)
def test_probed_in_order_and_only_once(script: list[Say], response_format: str, probes: list[str]):
    assert ask_three(script) == (response_format, [*probes, *[response_format] * 3])


def test_a_server_that_answers_500_to_a_format_it_has_not():
    """As llama-cpp-python's does; a greeting shows that it works otherwise."""
    fault = [Say(500, "unhashable"), said("Hello")]
    found, formats = ask_three([*fault, *fault, said(TAGS)])
    assert found == "json_object"
    assert formats[:5] == ["json_schema", "none", "json_schema", "none", "json_object"]


def test_a_passing_fault_does_not_cost_a_response_format():
    found, _ = ask_three([Say(500, "hiccup"), said("Hello"), said(TAGS)])
    assert found == "json_schema"


def test_a_response_format_in_the_recipe_is_not_probed():
    async def test(backend: EndpointBackend, server: ScriptedServer) -> list[str]:
        await backend.generate(PROMPT)
        return [body["response_format"]["type"] for body in server.bodies]

    assert run(test, response_format="json_object") == ["json_object"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '["a", 1]', "Tags: a", '{"tags": ["a"]}'])
def test_other_shapes_do_not_fit(text: str):
    assert not is_tag_list(text)

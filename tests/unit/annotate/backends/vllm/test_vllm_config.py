from __future__ import annotations

import pytest

from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.vllm import VllmConfig
from earmark.config import ConfigError

BASE = VllmConfig(model="captioner")


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "another"},
        {"revision": "abc"},
        {"temperature": 0.1},
        {"gpus_per_server": 2},
        {"flags": ("--quantization=fp8",)},
        {"sample_rate": 24_000},
        {"extra": {"repetition_penalty": 1.1}},
    ],
)
def test_what_can_change_an_answer_changes_the_fingerprint(settings):
    assert VllmConfig(**{"model": "captioner", **settings}).fingerprint != BASE.fingerprint


@pytest.mark.parametrize(
    "settings",
    [
        {"servers": 4},
        {"first_port": 9000},
        {"concurrency": 8},
        {"log_folder": "logs"},
        {"start_timeout_s": 60.0},
        {"price_per_hour": 12.0},
    ],
)
def test_where_and_how_fast_an_answer_is_had_does_not(settings):
    assert VllmConfig(model="captioner", **settings).fingerprint == BASE.fingerprint


def test_requests_are_put_with_the_settings_given_here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    config = VllmConfig(model="m", audio="file_url", timeout_s=7, temperature=0, extra={"a": 1})
    assert config.endpoint(("http://127.0.0.1:8100/v1",)) == EndpointConfig(
        urls=("http://127.0.0.1:8100/v1",),
        model="m",
        audio="file_url",
        timeout_s=7,
        temperature=0,
        extra={"a": 1},
    )


def test_the_servers_key_is_theirs_and_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    assert BASE.endpoint(("http://127.0.0.1:8100/v1",)).api_key_variable == "VLLM_API_KEY"


@pytest.mark.parametrize("flag", ["--port=1", "--tensor-parallel-size", "--api-key=x", "-tp"])
def test_flags_that_earmark_sets_itself_are_refused(flag: str):
    with pytest.raises(ConfigError, match=flag.partition("=")[0]):
        VllmConfig(model="m", flags=(flag,)).build()


def test_an_empty_command_and_a_bad_request_are_refused_before_any_start():
    with pytest.raises(ConfigError, match="command is empty"):
        VllmConfig(model="m", command=()).build()
    with pytest.raises(ConfigError, match="extra cannot set 'model'"):
        VllmConfig(model="m", extra={"model": "other"}).build()

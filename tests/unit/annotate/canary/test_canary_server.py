"""The captioner's canary against the mock server over HTTP, one fault each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from earmark.annotate.canary import check_captioner, check_tagger
from earmark.testing.mock_server.process import run_mock_server
from earmark.workspace import StageError

pytest.importorskip("aiohttp", reason="pip install 'earmark[endpoint]'")

from earmark.annotate.backends.endpoint import EndpointConfig

LIMIT_S = 6.0


def attempt(folder: Path, **faults: Any) -> dict[str, int]:
    with run_mock_server(latency_s=0.01, sick_s=30.0, **faults) as server:
        config = EndpointConfig(
            urls=(server.url,), model="mock", max_audio_s=LIMIT_S, patience_s=0.3
        )
        backend = config.build()
        return check_captioner(backend, folder, limit_s=LIMIT_S, pause_s=0)


def test_a_server_without_faults_passes(tmp_path: Path) -> None:
    counts = attempt(tmp_path)
    assert counts["in"] == counts["out"]


@pytest.mark.parametrize(
    ("faults", "name"),
    [
        ({"ignore_audio": True}, "audio ignored"),
        ({"mix_up": True}, "batches mixed up"),
        ({"fail_over_s": 5.0}, "fails on long clips"),
        ({"error_share": 1.0}, "no server has answered"),
    ],
)
def test_a_fault_of_the_server_stops_the_job(
    faults: dict[str, Any], name: str, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match=name):
        attempt(tmp_path, **faults)


def test_a_tagger_is_tried_too(tmp_path: Path) -> None:
    with run_mock_server(latency_s=0.01) as server:
        backend = EndpointConfig(urls=(server.url,), model="mock").build()
        counts = check_tagger(backend, tmp_path, readable=lambda text: text.startswith("["))
    assert counts == {"in": 2, "out": 2}

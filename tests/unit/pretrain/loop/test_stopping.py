"""What a stop leaves on the disk, and how signals are taken."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from earmark.pretrain.loop.metrics_log import BLOCK_BYTES, JsonlLog
from earmark.pretrain.loop.signals import deferred_signals


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_only_a_second_ctrl_c_forces() -> None:
    with deferred_signals() as asked:
        for _ in range(3):
            send(signal.SIGTERM)
            assert asked() == signal.SIGTERM
        send(signal.SIGINT)
        send(signal.SIGTERM)
        assert asked() == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def rows(path: Path) -> list[tuple[int, str]]:
    lines = map(json.loads, path.read_text().splitlines())
    return [(row["step"], row["split"]) for row in lines]


def test_a_log_is_cut_behind_the_state_and_left_as_it_is_before(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JsonlLog(path, step=0)
    for step in range(1, 9):
        log.write({"step": step, "split": "train", "text": "x" * BLOCK_BYTES})
        log.write({"step": step, "split": "validation"})
    with open(path, "a") as stream:
        stream.write('{"step": 9, "spl')
    JsonlLog(path, step=8)
    assert len(rows(path)) == 16
    before = path.read_bytes()
    JsonlLog(path, step=3)
    assert before.startswith(path.read_bytes())
    assert rows(path)[-1] == (3, "validation")
    JsonlLog(path, step=3, validation_pending=True)
    assert rows(path)[-1] == (3, "train")
    JsonlLog(path, step=0)
    assert path.read_bytes() == b""

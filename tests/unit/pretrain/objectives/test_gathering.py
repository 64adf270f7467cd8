from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from earmark.pretrain.objectives.all_gather import RowCounts, all_gather_rows, exchange_row_counts

SCRIPT = Path(__file__).parent / "one_of_two_processes.py"
LIMIT_S = 120


def test_one_process_keeps_its_rows() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    by = exchange_row_counts(3, rows.device)
    assert by == RowCounts((3,), 0)
    assert all_gather_rows(rows, by) is rows
    assert RowCounts((2, 5, 1), 2).first == 7


@pytest.mark.slow
def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path: Path) -> None:
    """Over gloo, with two clips in one and three in the other."""
    processes = [start(rank, tmp_path) for rank in (0, 1)]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=LIMIT_S)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    whole, first = torch.load(tmp_path / "0.pt")
    _, second = torch.load(tmp_path / "1.pt")
    for name, (loss, gradients) in whole.items():
        assert first[name][0] + second[name][0] == pytest.approx(loss, rel=1e-5)
        assert any(gradient.abs().sum() > 0 for gradient in gradients.values())
        torch.testing.assert_close(first[name][1], gradients, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(second[name][1], first[name][1], rtol=0, atol=0)


def start(rank: int, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(rank), str(folder)]
    return subprocess.Popen(
        command,
        env=environment,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.annotate.backends.vllm.resources import assign_gpus, visible_gpus
from earmark.config import ConfigError


@pytest.mark.parametrize(
    ("variable", "gpus"),
    [("0,1", ["0", "1"]), ("GPU-a1, GPU-b2", ["GPU-a1", "GPU-b2"]), ("", []), ("-1", [])],
)
def test_the_variable_says_which_gpus_there_are(
    variable: str, gpus: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == gpus


def test_without_the_variable_they_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    listing = tmp_path / "nvidia-smi"
    listing.write_text(
        "#!/bin/sh\necho 'GPU 0: H100 (UUID: GPU-1)'\necho '  MIG 1g.10gb Device 0: (UUID: M)'\n"
        "echo 'GPU 1: H100 (UUID: GPU-2)'\n"
    )
    listing.chmod(0o755)
    assert visible_gpus() == ["0", "1"]


def test_gpus_are_shared_out_in_groups():
    gpus = ["0", "1", "2", "3", "4"]
    assert assign_gpus(gpus, 2, 0) == [["0", "1"], ["2", "3"]]
    assert assign_gpus(gpus, 1, 2) == [["0"], ["1"]]
    assert assign_gpus([], 0, 2) == [[], []]


def test_too_few_gpus_are_told_with_those_that_are_there():
    with pytest.raises(ConfigError, match=r"need 4 GPUs, and visible are: 2 \(0, 1\)"):
        assign_gpus(["0", "1"], 2, 2)
    with pytest.raises(ConfigError, match="visible are: none"):
        assign_gpus([], 1, 0)
    with pytest.raises(ConfigError, match="how many servers"):
        assign_gpus([], 0, 0)

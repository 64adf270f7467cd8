from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.config import ConfigError
from earmark.pretrain.inference.load import load_encoder
from earmark.pretrain.inference.onnx import export_onnx, frame_sizes
from earmark.pretrain.objectives.config import TagsConfig

pytest.importorskip("onnxscript")
Make = Callable[..., Path]


SCRIPT = """
import sys
from pathlib import Path
import torch
from earmark.pretrain.inference.onnx import export_onnx
torch.set_num_threads(1)
try:
    print(export_onnx(sys.argv[1], Path(sys.argv[2]), tolerance=float(sys.argv[3])).largest)
except ValueError as error:
    print(error)
"""


def exported(checkpoint: Path, path: Path, tolerance: float = 1e-4) -> str:
    """Export where shapes are not checked as they run, which no tracer could follow."""
    command = [sys.executable, "-c", SCRIPT, str(checkpoint), str(path), str(tolerance)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
def test_a_graph_says_what_the_encoder_says(make_checkpoint: Make, tmp_path: Path) -> None:
    import onnxruntime

    checkpoint = make_checkpoint(TagsConfig())
    path = tmp_path / "out" / "encoder.onnx"
    told = exported(checkpoint, path)
    assert 0.0 <= float(told) <= 1e-4
    encoder = load_encoder(checkpoint)
    session = onnxruntime.InferenceSession(str(path))
    assert session.get_modelmeta().custom_metadata_map["sample_rate"] == "8000"
    wave = 0.1 * torch.randn(5, 7000, generator=torch.Generator().manual_seed(1))
    features, counts = encoder.features(wave, torch.tensor([7000, 600, 40, 5000, 3000]))
    given = {"features": features.numpy(), "lengths": counts.numpy()}
    frames, mask, pooled = session.run(None, given)
    with torch.no_grad():
        expected = encoder.forward_features(features, counts)
    np.testing.assert_allclose(frames, expected.frames.numpy(), atol=1e-4)
    np.testing.assert_array_equal(mask, expected.mask.numpy())
    np.testing.assert_allclose(pooled, expected.pooled().numpy(), atol=1e-4)
    assert frame_sizes(encoder).fitting(3) == 16
    assert "differs from the encoder by more than -1" in exported(
        checkpoint, tmp_path / "strict.onnx", tolerance=-1.0
    )
    assert not (tmp_path / "strict.onnx").exists()


def test_models_of_transformers_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(ConfigError, match=r"transformers \(whisper\), which cannot be exported"):
        export_onnx(tmp_path, tmp_path / "encoder.onnx")

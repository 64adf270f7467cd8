"""Export an encoder as an ONNX graph, and compare the graph with the encoder."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from earmark.config import ConfigError
from earmark.pretrain.checkpoint.folder import (
    find_checkpoint,
    read_checkpoint_config,
    read_model_type,
)
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.encoders.zipformer.encoder import Zipformer
from earmark.pretrain.inference.load import load_encoder

ONNX_OPSET = 20
INPUT_NAMES = ("features", "lengths")
OUTPUT_NAMES: tuple[str, ...] = ("frames", "mask", "pooled")
TRACE_DURATIONS_S = (1.3, 2.1)
"""Clips that the graph is traced with, seconds."""
CHECK_DURATIONS_S = ((0.05,), (3.0,), (0.4, 1.7, 5.3))
"""Batches that the graph is checked on: the seconds of each clip."""


@dataclass(frozen=True)
class FrameSizes:
    """How many log-mel frames the graph's input may have: step * n + least - step, n from 1 on.

    A row may have fewer real ones: what lies behind them may be anything.
    """

    step: int
    least: int

    def fitting(self, frames: int) -> int:
        """Return the smallest size that holds so many frames."""
        return self.least + max(0, -(-(frames - self.least) // self.step)) * self.step


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how far it is from the encoder.

    `differences` holds the largest absolute difference of each output over `batches` random
    batches of several sizes and lengths; masks are equal or the export fails.
    """

    path: Path
    parameters: int
    bytes: int
    batches: int
    differences: dict[str, float]

    @property
    def largest(self) -> float:
        """The largest difference of any output."""
        return max(self.differences.values())

    def __str__(self) -> str:
        """Tell it to people."""
        told = ", ".join(f"{name} {value:.2g}" for name, value in self.differences.items())
        return (
            f"{self.path}: {self.parameters:,} parameters, {self.bytes / 1e6:.1f} MB; largest "
            f"differences from the encoder over {self.batches} batches: {told}"
        )


def export_onnx(checkpoint: str | Path, path: Path, *, tolerance: float = 1e-4) -> ExportReport:
    """Write the encoder of a checkpoint as an ONNX graph, and check it in onnxruntime.

    The graph begins behind the front end. ONNX has a Fourier transform, but runtimes differ in how
    precisely and how fast they do it, and Kaldi's log-mel is at hand wherever such a graph runs
    (kaldi-native-fbank; `earmark.pretrain.encoders.log_mel.LogMel`). Its metadata say what the
    front end is, and which sizes the input may have in time ("least_frames" and "frames_step", see
    `FrameSizes`; of a transformer any from 16 frames on): batches are padded to one of them, with
    anything.

    Inputs: "features" [batch, frames, bins] float32, Kaldi log-mel of samples in [-1, 1], and
    "lengths" [batch] int64, the real frames of each row. Outputs: "frames" [batch, steps, dim],
    "mask" [batch, steps], True where a frame is real, and "pooled" [batch, dim], the mean over
    those.

    Args:
        checkpoint: as of `load_encoder`.
        path: the .onnx file; weights beyond 2 GB lie beside it.
        tolerance: the largest absolute difference that is let pass.

    Raises:
        ConfigError: the extra `onnx` is missing, the encoder is neither a transformer nor a
            Zipformer (the message names its kind), it cannot be traced, or the graph
            differs by more than `tolerance` (the file is then removed).
    """
    _require_onnx()
    _check_exportable(checkpoint)
    encoder = load_encoder(checkpoint)
    graph = ExportGraph(encoder).eval()
    written = _trace(graph, _random_features(encoder, TRACE_DURATIONS_S, seed=0))
    _set_metadata(written, encoder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _silence_exporter():
        written.save(str(path), external_data=_state_bytes(encoder) > 1_900_000_000)
    differences = _compare_outputs(graph, encoder, path)
    if not max(differences.values()) <= tolerance:
        path.unlink()
        told = ", ".join(f"{name} {value:.2g}" for name, value in differences.items())
        raise ConfigError(
            f"The graph differs from the encoder by more than {tolerance:g} ({told}) and was "
            "removed. Raise the tolerance if your use can bear that."
        )
    return ExportReport(
        path,
        sum(parameter.numel() for parameter in encoder.parameters()),
        path.stat().st_size,
        len(CHECK_DURATIONS_S),
        differences,
    )


class ExportGraph(nn.Module):
    """What is exported: an encoder behind its front end, with the mean over frames."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, features: Float[Tensor, "batch frames bins"], lengths: Int[Tensor, " batch"]
    ) -> tuple[
        Float[Tensor, "batch steps dim"], Bool[Tensor, "batch steps"], Float[Tensor, "batch dim"]
    ]:
        """Return frames, their mask, and the mean over the real ones."""
        encoded = self.encoder.forward_features(features, lengths)
        return encoded.frames, encoded.mask, encoded.pooled()


def _check_exportable(checkpoint: str | Path) -> None:
    """Refuse, before its weights are read, an encoder that is no graph on log-mel."""
    folder = find_checkpoint(Path(checkpoint))
    model_type = read_model_type(folder)
    ours = not model_type and not isinstance(
        read_checkpoint_config(folder).encoder, HuggingFaceConfig
    )
    if not ours and model_type != "zipformer":
        kind = f"model of transformers ({model_type})" if model_type else 'kind = "huggingface"'
        raise ConfigError(
            f"{folder} holds an encoder of {kind}, which cannot be exported: export is for "
            'encoders of kind = "transformer" or "zipformer". The exporters of transformers '
            "(optimum) take the others."
        )


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import onnxruntime  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import onnxscript  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise ConfigError(f"export needs {error.name}: pip install 'earmark[onnx]'") from None


def _random_features(
    encoder: Encoder, seconds: Sequence[float], seed: int
) -> tuple[Tensor, Tensor]:
    """Return the features of noises, as a batch."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([int(length * encoder.sample_rate) for length in seconds])
    wave = 0.1 * torch.randn(len(seconds), int(lengths.max()), generator=generator)
    with torch.no_grad():
        features, counts = encoder.features(wave, lengths)
    if features.ndim != 3:
        raise ConfigError(
            "This encoder reads waves, and encodes clips by their length: it is no single graph. "
            "Export is for encoders on log-mel (transformer, zipformer)."
        )
    missing = frame_sizes(encoder).fitting(features.shape[1]) - features.shape[1]
    return nn.functional.pad(features, (0, 0, 0, missing)).contiguous(), counts.long()


def frame_sizes(encoder: Encoder) -> FrameSizes:
    """Return the sizes of input that an encoder's graph is made for."""
    if isinstance(encoder, Zipformer):
        # As many 50 Hz frames as its stacks join without a remainder: else what the compiler has
        # to prove of sizes is beyond it.
        return FrameSizes(2 * encoder.stem.window, 2 * encoder.stem.window + 8)
    return FrameSizes(1, 16)


def _trace(graph: ExportGraph, example: tuple[Tensor, Tensor]) -> Any:
    sizes, batch = frame_sizes(graph.encoder), torch.export.Dim("batch")
    if sizes.step == 1:
        frames: Any = torch.export.Dim("frames", min=sizes.least)
    else:
        frames = sizes.step * torch.export.Dim("blocks", min=1) + (sizes.least - sizes.step)
    shapes = ({0: batch, 1: frames}, {0: batch})
    try:
        with _silence_exporter(), torch.no_grad():
            return torch.onnx.export(
                graph,
                example,
                dynamo=True,
                opset_version=ONNX_OPSET,
                input_names=list(INPUT_NAMES),
                output_names=list(OUTPUT_NAMES),
                dynamic_shapes=shapes,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().split("\n")[0].rstrip(".")
        raise ConfigError(
            f"{type(graph.encoder).__name__} cannot be made one graph: {reason}. Export "
            "is for encoders on log-mel (transformer, zipformer)."
        ) from error


def _set_metadata(program: Any, encoder: Encoder) -> None:
    program.model.metadata_props.update(
        {
            "sample_rate": str(encoder.sample_rate),
            "frame_rate": str(encoder.frame_rate),
            "dim": str(encoder.dim),
            "least_frames": str(frame_sizes(encoder).least),
            "frames_step": str(frame_sizes(encoder).step),
            "features": "Kaldi log-mel: 25 ms, 10 ms, povey, no dither, snip_edges false, [-1, 1]",
        }
    )


def _compare_outputs(graph: ExportGraph, encoder: Encoder, path: Path) -> dict[str, float]:
    """Return the largest difference of each output over the batches that are checked."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    largest: dict[str, float] = dict.fromkeys(OUTPUT_NAMES, 0.0)
    for seed, seconds in enumerate(CHECK_DURATIONS_S, start=1):
        inputs = _random_features(encoder, seconds, seed)
        with torch.no_grad():
            expected = [output.numpy() for output in graph(*inputs)]
        given = dict(zip(INPUT_NAMES, (tensor.numpy() for tensor in inputs), strict=True))
        for name, own, theirs in zip(OUTPUT_NAMES, expected, session.run(None, given), strict=True):
            largest[name] = max(largest[name], _max_difference(own, np.asarray(theirs)))
    return largest


def _max_difference(own: np.ndarray, theirs: np.ndarray) -> float:
    if own.shape != theirs.shape:
        return float("inf")
    if own.dtype == bool:
        return float("inf") if (own != theirs).any() else 0.0
    return float(np.abs(own - theirs).max(initial=0.0))


def _state_bytes(encoder: Encoder) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in encoder.state_dict().values())


@contextlib.contextmanager
def _silence_exporter() -> Generator[None]:
    """Silence the exporter's progress and its own deprecations; errors come through."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)

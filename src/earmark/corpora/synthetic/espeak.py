"""espeak-ng through ctypes: text in, samples out, the same samples every time.

The library keeps state between utterances (its flutter table, echo buffer and noise source go on
where the last utterance left them), and neither a new voice nor `espeak_Terminate` resets it. A
clip must not depend on what a process said before, so the library is loaded for each utterance
and unloaded after it; that costs about 3 ms. Breathy voices draw noise from a generator that the
library seeds with the time of day, so it is seeded again. Function names and constants are those
of espeak-ng's public headers `speak_lib.h` and `espeak_ng.h`.
"""

from __future__ import annotations

import ctypes
import importlib.util
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from earmark.config import ConfigError

SYNCHRONOUS = 2
UTF8 = 1
RATE_PARAMETER, PITCH_PARAMETER, RANGE_PARAMETER = 1, 3, 4

SampleCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True)
class Utterance:
    """What to say and how.

    Args:
        text: one or more sentences.
        voice: language and variant, such as "de+f2".
        rate: words a minute.
        pitch, pitch_range: 0-99; 50 is what the voice is made for.
        seed: of the breath's noise.
    """

    text: str
    voice: str
    rate: int
    pitch: int
    pitch_range: int
    seed: int


def require_espeak() -> None:
    """Check that espeak-ng is installed, without loading it.

    Raises:
        ConfigError: the extra `synthetic` is missing.
    """
    if importlib.util.find_spec("espeakng_loader") is None:
        raise ConfigError(
            "the synthetic corpus speaks through espeak-ng, which is not installed. "
            "Run: pip install 'earmark[synthetic]'"
        )


def synthesize(utterance: Utterance) -> tuple[Float32[np.ndarray, " samples"], int]:
    """Synthesise an utterance; returns samples in [-1, 1] and their rate in Hz.

    Raises:
        ConfigError: the extra `synthetic` is missing.
        RuntimeError: espeak-ng has no such voice, or failed.
    """
    require_espeak()
    import espeakng_loader

    heard: list[bytes] = []

    def receive(samples: ctypes.c_void_p, count: int, _events: int | None) -> int:
        if samples and count > 0:
            heard.append(ctypes.string_at(samples, 2 * count))
        return 0

    # The library calls back into it until it is unloaded, so it must live as long.
    receiver = SampleCallback(receive)
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        data_path = espeakng_loader.get_data_path().encode()
        sample_rate = library.espeak_Initialize(SYNCHRONOUS, 0, data_path, 0)
        if sample_rate <= 0:
            raise RuntimeError(f"espeak-ng does not start with its data at {data_path.decode()}")
        library.espeak_SetSynthCallback(receiver)
        library.espeak_ng_SetRandSeed(ctypes.c_long(utterance.seed))
        _synthesize(library, utterance)
        library.espeak_Terminate()
    finally:
        _unload(library)
    pcm = np.frombuffer(b"".join(heard), dtype=np.int16)
    return pcm.astype(np.float32) / 32768.0, sample_rate


def _synthesize(library: ctypes.CDLL, utterance: Utterance) -> None:
    if library.espeak_SetVoiceByName(utterance.voice.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {utterance.voice!r}")
    for parameter, value in (
        (RATE_PARAMETER, utterance.rate),
        (PITCH_PARAMETER, utterance.pitch),
        (RANGE_PARAMETER, utterance.pitch_range),
    ):
        library.espeak_SetParameter(parameter, value, 0)
    text = utterance.text.encode() + b"\0"
    if library.espeak_Synth(text, len(text), 0, 1, 0, UTF8, None, None) != 0:
        raise RuntimeError(f"espeak-ng could not say {utterance.text!r}")


def _unload(library: ctypes.CDLL) -> None:
    ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))

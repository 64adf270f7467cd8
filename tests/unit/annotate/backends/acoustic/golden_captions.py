"""Golden captions of four signals. To write them anew, after raising backend.VERSION:

python tests/unit/annotate/backends/acoustic/golden_captions.py
"""

import json
from pathlib import Path

import acoustic_signals as signals
import numpy as np

from earmark.annotate.backends.acoustic import vad
from earmark.annotate.backends.acoustic.analysis import Detectors, measure_clip
from earmark.annotate.backends.acoustic.backend import CAPTION_VERSION
from earmark.annotate.backends.acoustic.text import write_caption

PATH = Path(__file__).with_suffix(".json")
COMMAND = "python tests/unit/annotate/backends/acoustic/golden_captions.py"


def captions() -> dict[str, str]:
    ears = Detectors(vad.load_silero(vad.weights_path()), None)
    waves = {
        "a tone that fades": signals.tone(440.0) * np.geomspace(1.0, 0.03, 48000, dtype=np.float32),
        "quiet noise": signals.white_noise(level=0.01),
        "clicks at 120 a minute": signals.clicks(120.0),
        "silence": np.zeros(16000, dtype=np.float32),
    }
    return {
        name: write_caption(measure_clip(wave[:, None], signals.RATE, ears), name)
        for name, wave in waves.items()
    }


if __name__ == "__main__":
    golden = {"regenerate with": COMMAND, "version": CAPTION_VERSION, "captions": captions()}
    PATH.write_text(json.dumps(golden, indent=2) + "\n")
    print(f"wrote {PATH}")

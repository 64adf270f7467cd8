"""One file to one caption: decode, measure, write. This is what runs in each worker process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from earmark import audio
from earmark.annotate.backends.acoustic import sound_events, vad
from earmark.annotate.backends.acoustic.measure import Ears, measure
from earmark.annotate.backends.acoustic.text import write
from earmark.annotate.backends.base import Completion, Prompt, Refusal


@dataclass(frozen=True)
class Captioner:
    """Loaded detectors and the settings that they are used with."""

    ears: Ears
    sample_rate: int
    max_duration_s: float

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        """Caption `prompt.audio` from `prompt.start_s` on, `prompt.duration_s` seconds if given.

        Refused: "no audio", "too long", or the reason of the `AudioError`.
        """
        if prompt.audio is None:
            return Refusal(reason="no audio", detail=f"prompt {prompt.id} names no audio file")
        try:
            start_s = prompt.start_s
            duration_s = prompt.duration_s or audio.probe(prompt.audio).duration_s - start_s
            if duration_s > self.max_duration_s:
                return Refusal(reason="too long", detail=self._too_long(prompt.audio, duration_s))
            samples, rate = audio.read(prompt.audio, start_s=start_s, duration_s=duration_s)
        except audio.AudioError as error:
            # A file that cannot be read may be back tomorrow; one that cannot be decoded will not.
            passing = error.reason == "unreadable"
            return Refusal(reason=error.reason, detail=str(error), passing=passing)
        measured = measure(samples, rate, self.ears, sample_rate=self.sample_rate)
        seed = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
        return Completion(text=write(measured, seed))

    def _too_long(self, path: str, duration_s: float) -> str:
        return (
            f"{path} lasts {duration_s:.0f} s and max_duration_s is {self.max_duration_s:.0f}: "
            "cut it into clips, or raise max_duration_s"
        )


def load_captioner(
    weights: Path, with_events: bool, sample_rate: int, max_duration_s: float
) -> Captioner:
    """Load the detectors.

    Raises:
        ConfigError: a detector's package is missing or holds something else.
    """
    detector = sound_events.EventDetector() if with_events else None
    return Captioner(Ears(vad.load(weights), detector), sample_rate, max_duration_s)

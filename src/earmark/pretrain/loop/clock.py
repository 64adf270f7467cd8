"""How much audio was heard, how fast, and what the time went into."""

from __future__ import annotations

import time


class Clock:
    """Seconds of audio heard, and how fast; time between `count` and `start` does not count.

    Args:
        audio_s: seconds of audio that earlier parts of the run have heard.
    """

    def __init__(self, audio_s: float) -> None:
        self.audio_s = audio_s
        self._heard_s = self._spent_s = self._waited_s = 0.0
        self.start()

    def start(self) -> None:
        """Go on measuring time."""
        self._since_s = time.perf_counter()

    def count(self, heard_s: float, waited_s: float) -> None:
        """Add the time since `start`.

        Args:
            heard_s: real seconds of audio heard in it, by all processes.
            waited_s: of the time, how long a process waited for its batches.
        """
        self._spent_s += time.perf_counter() - self._since_s
        self._heard_s += heard_s
        self._waited_s += waited_s
        self.audio_s += heard_s

    @property
    def audio_s_per_s(self) -> float:
        """Seconds of audio a second, since the last row."""
        return self._heard_s / max(self._spent_s, 1e-9)

    @property
    def data_wait(self) -> float:
        """Share of the time since the last row that went into waiting for batches, 0 to 1."""
        return min(1.0, self._waited_s / max(self._spent_s, 1e-9))

    def row(self) -> dict[str, float]:
        """Return what goes into the log, and begin to measure the speed anew."""
        row = {
            "audio_s": round(self.audio_s, 3),
            "audio_s_per_s": round(self.audio_s_per_s, 1),
            "data_wait": round(self.data_wait, 4),
        }
        self._heard_s = self._spent_s = self._waited_s = 0.0
        return row

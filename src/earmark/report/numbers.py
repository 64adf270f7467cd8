"""Numbers as the page writes them."""

from __future__ import annotations

import math


def count(value: int) -> str:
    """Return 12,345."""
    return f"{value:,}"


def large(value: int) -> str:
    """Return about three digits: 950, 4.95 M, 1.2 k."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            scaled = value / (1e3 if unit == "k" else limit)
            return f"{scaled:.3g} {unit}"
    return f"{value:,}"


def percent(share: float) -> str:
    """Return a share from 0 to 1 as 12 %, 1.2 % or 99.9 %; only all of it is 100 %."""
    if 0.995 <= share < 1:
        return f"{math.floor(1000 * share) / 10:.1f} %"
    digits = 1 if 0 < share < 0.0995 else 0
    return f"{100 * share:.{digits}f} %"


def duration(seconds: float) -> str:
    """Return 4.2 s, 12 min or 3.4 h."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 99.5 else f"{hours:,.0f} h"


def score(value: float) -> str:
    """Return three digits after the point, a dash where there is no value."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def loss(value: float) -> str:
    """Return four significant digits."""
    return f"{value:.4g}"


def gain(value: float) -> str:
    """Return a difference with its sign."""
    return "–" if math.isnan(value) else f"{value:+.3f}".replace("-", "−")


def called(score: str) -> str:
    """Return a score's name as people write it: mAP, recall at 10, audio-to-text recall at 1."""
    words = score.replace("/", ", ").replace("_", " ").split(" ")
    return " ".join("mAP" if word == "map" else word for word in words)


FILTERS = {
    "called": called,
    "count": count,
    "large": large,
    "percent": percent,
    "duration": duration,
    "score": score,
    "loss": loss,
    "gain": gain,
}
"""The filters of the templates."""

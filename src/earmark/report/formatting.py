"""What is measured: how the page calls it, and which way is better."""

from __future__ import annotations

import math

PROBES = {
    "linear": "linear probe",
    "attention": "attention pooling",
    "nearest": "nearest neighbours",
    "zero-shot": "zero-shot",
    "lit": "text side trained (LiT)",
    "captioning": "decoder trained",
    "choice": "nearest option",
    "adapter": "adapter to a language model",
}
"""How the features are asked, in the page's order."""
NO_INTERVAL = "no interval"
"""Of a single seed, or of too few test recordings: nothing is claimed there."""
DIRECTIONS = {"audio to text": "audio → text", "text to audio": "text → audio"}


def probe_name(probe: str) -> str:
    """Return what the page calls a probe."""
    return PROBES.get(probe, probe)


def probe_place(probe: str) -> int:
    """Return a probe's place in the page's order; unknown ones come last."""
    return list(PROBES).index(probe) if probe in PROBES else len(PROBES)


def split_direction(metric: str) -> tuple[str, str]:
    """Return (direction, measure): ("audio → text", "recall@10"); "" for no direction."""
    plain = metric.replace("_", " ").replace("-", " ").strip()
    for words, arrow in DIRECTIONS.items():
        if words in plain:
            rest = " ".join(plain.replace(words, " ").strip(" ,:/").split())
            return arrow, rest or metric
    return "", metric


def is_rank(metric: str) -> bool:
    """Return whether values of `metric` are places in an order, not shares from 0 to 1."""
    return "rank" in metric.lower().replace("_", " ").split()


def written(metric: str, value: float) -> str:
    """Return a value of `metric`: a rank has one digit after the point, a share three."""
    if math.isnan(value):
        return "–"
    return f"{value:,.1f}" if is_rank(metric) else f"{value:.3f}"


def gained(metric: str, difference: float) -> str:
    """Return a difference of two values of `metric` with its sign."""
    text = written(metric, difference).replace("-", "−")
    return f"+{text}" if difference >= 0 else text


def between(metric: str, low: float, high: float) -> str:
    """Return the interval of a value of `metric`, or that there is none."""
    if math.isnan(low) or math.isnan(high):
        return NO_INTERVAL
    return f"{written(metric, low)} – {written(metric, high)}"


def gained_between(metric: str, low: float, high: float) -> str:
    """Return the interval of a difference of `metric`, or that there is none."""
    if math.isnan(low) or math.isnan(high):
        return NO_INTERVAL
    return f"{gained(metric, low)} to {gained(metric, high)}"


FILTERS = {
    "written": written,
    "gained": gained,
    "between": between,
    "gained_between": gained_between,
}
"""The filters of the templates, each of a metric's name."""

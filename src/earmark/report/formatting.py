"""How the page writes numbers, metrics and probes, and which way of a metric is better."""

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


NUMBER_FILTERS = {
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


METRIC_FILTERS = {
    "written": written,
    "gained": gained,
    "between": between,
    "gained_between": gained_between,
}
"""The filters of the templates, each of a metric's name."""

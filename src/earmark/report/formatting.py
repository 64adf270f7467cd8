"""How the page writes numbers, metrics and probes, and which way of a metric is better."""

from __future__ import annotations

import math


def format_count(value: int) -> str:
    """Return 12,345."""
    return f"{value:,}"


def format_large(value: int) -> str:
    """Return about three digits: 950, 4.95 M, 1.2 k."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            scaled = value / (1e3 if unit == "k" else limit)
            return f"{scaled:.3g} {unit}"
    return f"{value:,}"


def format_percent(share: float) -> str:
    """Return a share from 0 to 1 as 12 %, 1.2 % or 99.9 %; only all of it is 100 %."""
    if 0.995 <= share < 1:
        return f"{math.floor(1000 * share) / 10:.1f} %"
    digits = 1 if 0 < share < 0.0995 else 0
    return f"{100 * share:.{digits}f} %"


def format_duration(seconds: float) -> str:
    """Return 4.2 s, 12 min or 3.4 h."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 99.5 else f"{hours:,.0f} h"


def format_score(value: float) -> str:
    """Return three digits after the point, a dash where there is no value."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def format_loss(value: float) -> str:
    """Return four significant digits."""
    return f"{value:.4g}"


def format_gain(value: float) -> str:
    """Return a difference with its sign."""
    return "–" if math.isnan(value) else f"{value:+.3f}".replace("-", "−")


def metric_name(score: str) -> str:
    """Return a score's name as people write it: mAP, recall at 10, audio-to-text recall at 1."""
    words = score.replace("/", ", ").replace("_", " ").split(" ")
    return " ".join("mAP" if word == "map" else word for word in words)


NUMBER_FILTERS = {
    "called": metric_name,
    "count": format_count,
    "large": format_large,
    "percent": format_percent,
    "duration": format_duration,
    "score": format_score,
    "loss": format_loss,
    "gain": format_gain,
}
"""The filters of the templates."""

PROBE_NAMES = {
    "linear": "linear probe",
    "attentive": "attention pooling",
    "knn": "nearest neighbours",
    "zero-shot": "zero-shot",
    "lit": "text side trained (LiT)",
    "captioning": "decoder trained",
    "multiple-choice": "nearest option",
    "adapter": "adapter to a language model",
}
"""How the features are asked, in the page's order."""

NO_INTERVAL = "no interval"
"""Of a single seed, or of too few test recordings: nothing is claimed there."""

DIRECTIONS = {"audio to text": "audio → text", "text to audio": "text → audio"}


def probe_name(probe: str) -> str:
    """Return what the page calls a probe."""
    return PROBE_NAMES.get(probe, probe)


def probe_order(probe: str) -> int:
    """Return a probe's place in the page's order; unknown ones come last."""
    return list(PROBE_NAMES).index(probe) if probe in PROBE_NAMES else len(PROBE_NAMES)


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


def format_metric(metric: str, value: float) -> str:
    """Return a value of `metric`: a rank has one digit after the point, a share three."""
    if math.isnan(value):
        return "–"
    return f"{value:,.1f}" if is_rank(metric) else f"{value:.3f}"


def format_metric_gain(metric: str, difference: float) -> str:
    """Return a difference of two values of `metric` with its sign."""
    text = format_metric(metric, difference).replace("-", "−")
    return f"+{text}" if difference >= 0 else text


def format_metric_interval(metric: str, low: float, high: float) -> str:
    """Return the interval of a value of `metric`, or that there is none."""
    if math.isnan(low) or math.isnan(high):
        return NO_INTERVAL
    return f"{format_metric(metric, low)} – {format_metric(metric, high)}"


def format_gain_interval(metric: str, low: float, high: float) -> str:
    """Return the interval of a difference of `metric`, or that there is none."""
    if math.isnan(low) or math.isnan(high):
        return NO_INTERVAL
    return f"{format_metric_gain(metric, low)} to {format_metric_gain(metric, high)}"


METRIC_FILTERS = {
    "written": format_metric,
    "gained": format_metric_gain,
    "between": format_metric_interval,
    "gained_between": format_gain_interval,
}
"""The filters of the templates, each of a metric's name."""

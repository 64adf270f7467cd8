"""What is measured: how the page calls it, and which way is better."""

from __future__ import annotations

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


def lower_is_better(metric: str) -> bool:
    """Return whether a smaller value is the better one, as of a median rank."""
    return "rank" in metric.lower().replace("_", " ").split()


def written(metric: str, value: float) -> str:
    """Return a value of `metric`: a rank has one digit after the point, a share three."""
    if value != value:
        return "–"
    return f"{value:,.1f}" if lower_is_better(metric) else f"{value:.3f}"

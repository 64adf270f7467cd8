"""What an evaluation keeps beside the linear probes' scores; the content is invented."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

from earmark.evaluate.base import Confusion
from earmark.evaluate.leakage.leak import Leak
from earmark.records import Score
from earmark.tables import write_parquet

ENCODERS = ("trained", "random", "log-mel")
CLASSES = ("music", "sound", "speech")
NAN = float("nan")


def score(task: str, encoder: str = "trained", value: float = 0.5, **changes: Any) -> Score:
    """Return one score."""
    values = {
        "metric": "accuracy",
        "low": value - 0.05,
        "high": value + 0.05,
        "chance": 0.34,
        "train": 420,
        "test": 140,
        "classes": 3,
        "seed": 7,
    }
    return Score(task=task, encoder=encoder, value=value, **{**values, **changes})


def other_scores(hostile: str) -> list[Score]:
    """Return few-shot scores, those of other probes, and of tasks on texts."""
    rows = [
        score(task, encoder, 0.9 - 0.5 / shots**0.5 - 0.1 * place, shots=shots)
        for task, (place, encoder), shots in product(
            ("domain", "kind"), enumerate(ENCODERS), (1, 5, 10, 50)
        )
    ]
    gone = {"low": NAN, "high": NAN}
    rows.append(score(hostile, value=NAN, **gone, shots=1, status="too few clips in train"))
    rows += [
        score("domain", encoder, 0.8, probe=probe)
        for encoder, probe in product(ENCODERS, ("knn", "attentive"))
    ]
    ways = ("audio_to_text", "text_to_audio")
    rows += [
        score("retrieval", encoder, 0.4, probe="lit", metric=f"{way}_recall_at_10", chance=0.07)
        for encoder, way in product(ENCODERS[:2], ways)
    ]
    rank = {"metric": "audio_to_text_median_rank", "chance": 70.0, "lower_is_better": True}
    rows.append(score("retrieval", value=12.0, **gone, probe="lit", **rank))
    rows.append(score("captioning", value=NAN, **gone, probe="captioning", status="no texts"))
    return rows


def write_evaluation(folder: Path, hostile: str) -> None:
    """Write confusion.parquet (three classes, and twenty) and leaks.parquet."""
    few = [
        _confusion("domain", truth, guess, 40 if truth == guess else 3)
        for truth, guess in product(CLASSES, CLASSES)
    ]
    names = [f"class {place:02d}" for place in range(20)]
    many = [_confusion("kind", name, name, 9) for name in names]
    many += [_confusion("kind", names[0], name, 1) for name in names[1:5]]
    many.append(_confusion("kind", names[1], hostile, 8))
    write_parquet(folder / "confusion.parquet", [*few, *many], Confusion)
    write_parquet(folder / "leaks.parquet", leaks(hostile), Leak)


def leaks(hostile: str) -> list[Leak]:
    """Return 25 rows of 24 clips: one is found in two ways."""
    rows = [_leak(f"clip-{place}", "sentence", "A dog barks.") for place in range(23)]
    return [_leak(hostile, "id", ""), _leak(hostile, "sentence", hostile), *rows]


def _leak(name: str, by: Any, detail: str) -> Leak:
    return Leak(
        id=name,
        name=name,
        by=by,
        learnt_id="l",
        learnt_name="learnt.wav",
        detail=detail,
        of="another-dataset" if name == "clip-0" else "",
    )


def _confusion(task: str, truth: str, predicted: str, clips: int) -> Confusion:
    return Confusion(
        task=task, encoder="trained", probe="linear", truth=truth, predicted=predicted, clips=clips
    )

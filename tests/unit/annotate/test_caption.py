from __future__ import annotations

from pathlib import Path

import pytest

from earmark.annotate.backends.scripted import ScriptedAnswer, ScriptedBackend
from earmark.annotate.caption import caption, parse, summary_of
from earmark.annotate.execute import Answer
from earmark.records import Caption, Clip, Rejected, read_parquet

LONG = " ".join(f"Sentence number {n} is here." for n in range(20))


def clip(name: str) -> Clip:
    return Clip(
        id=name,
        path=f"/audio/{name}.wav",
        name=f"{name}.wav",
        duration_s=1.0,
        sample_rate=16000,
        channels=1,
        peak_dbfs=-3.0,
        loudness_lufs=-20.0,
        labels={"domain": ("music",)},
    )


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("First part, at length.\n\nIn all, a dog barks twice.", "In all, a dog barks twice."),
        (
            "A dog barks in the yard.\n\n# Notes\n\n- one\n- two three four five six",
            "A dog barks in the yard.",
        ),
        ("Short.", "Short."),
        ("A dog barks   twice\nin a yard.", "A dog barks twice in a yard."),
        (LONG, "Sentence number 18 is here. Sentence number 19 is here."),
        (
            "Some words come first here.\n\n**Summary:** a dog barks twice.",
            "**Summary:** a dog barks twice.",
        ),
    ],
)
def test_summary(text: str, summary: str) -> None:
    assert summary_of(text) == summary


def test_an_empty_answer_is_rejected() -> None:
    row = parse(Answer(id="a", backend="b", status="ok", text="  \n"))
    assert row == Rejected(id="a", stage="caption", reason="empty answer")


def test_counts_add_up(tmp_path: Path) -> None:
    script = {"b": ScriptedAnswer(id="b", refusal="too long"), "c": ScriptedAnswer(id="c", text="")}
    backend = ScriptedBackend(script, default="One paragraph.\n\nThe second closes the caption.")
    counts = caption([clip(name) for name in "abcd"], backend, tmp_path)
    assert counts == {"in": 4, "out": 2, "caption: too long": 1, "caption: empty answer": 1}
    captions = read_parquet(tmp_path / "captions.parquet", Caption)
    assert [row.id for row in captions] == ["a", "d"]
    assert captions[0].summary == "The second closes the caption."

"""What is read from a captioner's answers: a caption with its summary, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.annotate.caption import caption_from_answer, caption_job, write_captions
from earmark.annotate.jobs.answers import Answer
from earmark.annotate.jobs.job import PromptTable
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.jobs.run import run_job
from earmark.annotate.parsing.lint import LintConfig
from earmark.records import Caption, Clip, Rejected
from earmark.tables import read_parquet, write_jsonl, write_parquet
from factories import new_clip

GOOD = "A dog barks twice in a quiet yard.\n\nIn all, a dog barks at somebody who passes by."
LOOP = "The dog barks. " * 40
CONFIG = LintConfig()


def clip(name: str) -> Clip:
    return new_clip(
        id=name,
        path=f"/audio/{name}.wav",
        name=f"{name}.wav",
        start_s=0.5,
        peak_dbfs=-3.0,
        labels={"domain": ("music",)},
    )


def answer(text: str, finish_reason: str = "stop", **fields: str) -> Answer:
    return Answer(
        row=0, id="a", backend="b", status="ok", text=text, finish_reason=finish_reason, **fields
    )


def test_a_caption_keeps_its_text_and_its_summary() -> None:
    assert caption_from_answer(answer(f"\n{GOOD} "), CONFIG) == Caption(
        id="a",
        text=GOOD,
        summary="In all, a dog barks at somebody who passes by.",
        backend="b",
    )


def test_a_caption_with_a_fault_is_kept_aside_with_its_reason_and_words() -> None:
    row = caption_from_answer(answer(LOOP), CONFIG)
    assert isinstance(row, Rejected)
    assert (row.stage, row.reason) == ("caption", "repetition")
    assert row.detail.startswith("The dog barks. The dog barks.")


def test_a_draw_that_was_turned_down_is_used_where_a_later_rule_lets_it_pass() -> None:
    both = answer(LOOP, first_draw=GOOD, first_draw_finish_reason="stop")
    assert isinstance(caption_from_answer(both, CONFIG), Caption)
    cut_off = answer(LOOP, first_draw=GOOD, first_draw_finish_reason="length")
    assert isinstance(caption_from_answer(cut_off, CONFIG), Rejected)


def test_an_instruction_that_is_repeated_is_no_caption() -> None:
    instruction = "Write down everything that can be heard in this recording, in detail."
    row = caption_from_answer(answer(f"{instruction} {instruction}"), CONFIG, instruction)
    assert isinstance(row, Rejected)


def test_prompts_say_where_the_audio_is_and_nothing_else(tmp_path: Path) -> None:
    write_parquet(tmp_path / "clips.parquet", [clip("a")], Clip)
    ((row, prompt),) = PromptTable(tmp_path / "clips.parquet", "audio").read(range(1))
    assert (row, prompt.id, prompt.audio) == (0, "a", "/audio/a.wav")
    assert (prompt.start_s, prompt.duration_s, prompt.text) == (0.5, 1.0, None)


def test_counts_add_up_over_both_steps(tmp_path: Path) -> None:
    clips, script, answers = tmp_path / "c.parquet", tmp_path / "s.jsonl", tmp_path / "answers"
    write_parquet(clips, [clip(name) for name in "abcd"], Clip)
    write_jsonl(script, [{"id": "b", "refusal": "too long"}, {"id": "c", "text": ""}])
    backend = ScriptedConfig(path=str(script), default=GOOD)
    asked = run_job(caption_job(clips, backend, CONFIG, "", answers), LocalRunnerConfig())
    assert asked == {"in": 4, "out": 3, "caption-raw: too long": 1}
    counts = write_captions(answers, CONFIG, "", tmp_path)
    assert counts == {"in": 3, "out": 2, "caption: empty": 1}
    assert [row.id for row in read_parquet(tmp_path / "captions.parquet", Caption)] == ["a", "d"]


def test_another_rule_is_run_over_stored_answers_without_a_request(tmp_path: Path) -> None:
    clips, script, answers = tmp_path / "c.parquet", tmp_path / "s.jsonl", tmp_path / "answers"
    write_parquet(clips, [clip("a")], Clip)
    write_jsonl(script, [{"id": "a", "text": "A dog barks."}])
    backend = ScriptedConfig(path=str(script))
    run_job(caption_job(clips, backend, CONFIG, "", answers), LocalRunnerConfig())
    script.unlink()
    assert write_captions(answers, CONFIG, "", tmp_path)["out"] == 0
    assert write_captions(answers, LintConfig(min_words=2), "", tmp_path)["out"] == 1

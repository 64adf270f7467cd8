import re

from earmark.evaluate.base import Confusion
from earmark.report import write_report
from earmark.report.confusions import MAX_CLASSES, read_confusions, task_confusion
from earmark.report.formatting import (
    format_gain_interval,
    format_metric,
    format_metric_gain,
    format_metric_interval,
    split_direction,
)
from earmark.report.run import load_run
from earmark.report.scores import (
    read_few_shot,
    read_leaks,
    read_other_scores,
    read_probe_scores,
    summarize_leaks,
)

NAN = float("nan")


def confusion(truth: str, predicted: str, clips: int) -> Confusion:
    return Confusion(
        task="t", encoder="trained", probe="linear", truth=truth, predicted=predicted, clips=clips
    )


def test_the_headline_counts_linear_probes_on_all_clips_alone(whole):
    scores = [score for row in read_probe_scores(load_run(whole)) for score in row.scores]
    assert {(score.probe, score.shots) for score in scores} == {("linear", 0)}


def test_directions_are_read_from_metrics():
    assert split_direction("audio_to_text_recall_at_10") == ("audio → text", "recall at 10")
    assert split_direction("text-to-audio mAP@10") == ("text → audio", "mAP@10")
    assert split_direction("CIDEr-D") == ("", "CIDEr-D")


def test_a_rank_has_one_digit_and_a_missing_interval_is_said():
    assert (format_metric("median rank", 12.04), format_metric("mAP", 0.5)) == ("12.0", "0.500")
    assert (format_metric_gain("median_rank", -5.5), format_metric_gain("mAP", 0.0)) == (
        "−5.5",
        "+0.000",
    )
    assert format_metric("mAP", NAN) == format_metric_gain("mAP", NAN) == "–"
    assert format_metric_interval("mAP", 0.4, 0.6) == "0.400 – 0.600"
    assert (
        format_metric_interval("mAP", NAN, NAN)
        == format_gain_interval("mAP", NAN, NAN)
        == "no interval"
    )


def test_other_probes_and_tasks_on_texts_have_tables_of_their_own(whole):
    others = read_other_scores(load_run(whole))
    assert others
    assert others.encoders == ("trained", "random", "log-mel")
    (domain,) = others.classification
    assert [line.probe for line in domain.lines] == ["attention pooling", "nearest neighbours"]
    retrieval, captioning = others.language
    assert [line.direction for line in retrieval.lines] == ["audio → text"] * 2 + ["text → audio"]
    assert retrieval.lines[0].entries[2] is None
    (entry, *_) = captioning.lines[0].entries
    assert entry
    assert not entry.measured


def test_a_score_without_an_interval_says_so_and_which_way_is_better(page):
    (row,) = (row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if "median rank" in row)
    assert "less is better" in row
    assert '<b>12.0</b> <span class="note">no interval</span>' in row


def test_a_leaked_clip_of_another_dataset_is_told_with_it(page):
    assert page.count("of another-dataset") == 1


def test_few_shots_are_curves_by_encoder_and_missing_ones_have_a_reason(whole, hostile):
    domain, _, unmeasured = read_few_shot(load_run(whole))
    assert domain.counts == (1, 5, 10, 50)
    values = [score.value for score in domain.of("trained")]
    assert values == sorted(values)
    assert unmeasured.task == hostile
    assert unmeasured.missing == ((1, "trained", "too few clips in train"),)


def test_few_classes_are_a_table_and_many_a_list(whole):
    few, many = read_confusions(load_run(whole))
    assert (few.right, few.clips) == (120, 138)
    name, clips, squares = few.rows[0]
    assert (name, clips, [square.clips for square in squares]) == ("music", 46, [40, 3, 3])
    assert [square.right for square in squares] == [True, False, False]
    assert len(many.classes) > MAX_CLASSES
    assert many.rows == ()
    assert (many.largest[0].clips, many.largest[0].of) == (8, 17)


def test_rows_of_one_pair_add_up_and_equal_confusions_stand_by_name():
    rows = [confusion("a", "b", 1), confusion("b", "a", 2), confusion("a", "b", 1)]
    task = task_confusion("t", rows)
    assert [(m.truth, m.predicted, m.clips) for m in task.largest] == [("a", "b", 2), ("b", "a", 2)]
    assert task_confusion("t", [confusion("a", "a", 3)]).largest == ()


def test_a_clip_that_leaked_twice_counts_once_by_the_surest_way(whole):
    leaks = read_leaks(load_run(whole))
    assert leaks
    assert (leaks.clips, leaks.rows, len(leaks.listed)) == (24, 25, 20)
    assert leaks.reasons == (("the same bytes", 1), ("a sentence of a caption", 23))
    assert summarize_leaks([]).clips == 0


def test_an_older_evaluation_has_none_of_these_sections(page, build, tmp_path):
    workspace = build(tmp_path / "workspace", clips=12)
    stage = workspace.latest_run()[1]["evaluate"]
    for name in ("confusion.parquet", "leaks.parquet"):
        stage.file(name).unlink()
    older = write_report(workspace).read_text("utf-8")
    for section in ('id="confusions"', 'id="leaks"'):
        assert section in page
        assert section not in older

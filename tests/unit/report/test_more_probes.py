from earmark.evaluate.base import Confusion
from earmark.report import write_report
from earmark.report.confusions import MOST_CLASSES, confusion_of, read_confusions
from earmark.report.leaks import leaks_of, read_leaks
from earmark.report.measures import lower_is_better, split_direction, written
from earmark.report.other_probes import read_others
from earmark.report.probes import read_probes
from earmark.report.shots import read_shots
from earmark.report.stages import finished


def confusion(truth: str, predicted: str, clips: int) -> Confusion:
    return Confusion(
        task="t", encoder="trained", probe="linear", truth=truth, predicted=predicted, clips=clips
    )


def test_the_headline_counts_linear_probes_on_all_clips_alone(whole):
    scores = [score for row in read_probes(finished(whole)) for score in row.scores]
    assert {(score.probe, score.shots) for score in scores} == {("linear", 0)}


def test_directions_are_read_from_metrics():
    assert split_direction("audio_to_text_recall_at_10") == ("audio → text", "recall at 10")
    assert split_direction("text-to-audio mAP@10") == ("text → audio", "mAP@10")
    assert split_direction("CIDEr-D") == ("", "CIDEr-D")


def test_of_a_rank_less_is_better():
    assert lower_is_better("audio_to_text_median_rank")
    assert not lower_is_better("accuracy")
    assert (written("median rank", 12.04), written("mAP", 0.5)) == ("12.0", "0.500")
    assert written("mAP", float("nan")) == "–"


def test_other_probes_and_tasks_on_texts_have_tables_of_their_own(whole):
    others = read_others(finished(whole))
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


def test_few_shots_are_curves_by_encoder_and_missing_ones_have_a_reason(whole, hostile):
    domain, _, unmeasured = read_shots(finished(whole))
    assert domain.counts == (1, 5, 10, 50)
    values = [score.value for score in domain.of("trained")]
    assert values == sorted(values)
    assert unmeasured.task == hostile
    assert unmeasured.missing == ((1, "trained", "too few clips in train"),)


def test_few_classes_are_a_table_and_many_a_list(whole):
    few, many = read_confusions(finished(whole))
    assert (few.right, few.clips) == (120, 138)
    name, clips, squares = few.rows[0]
    assert (name, clips, [square.clips for square in squares]) == ("music", 46, [40, 3, 3])
    assert [square.right for square in squares] == [True, False, False]
    assert len(many.classes) > MOST_CLASSES
    assert many.rows == ()
    assert (many.largest[0].clips, many.largest[0].of) == (8, 17)


def test_rows_of_one_pair_add_up_and_equal_confusions_stand_by_name():
    rows = [confusion("a", "b", 1), confusion("b", "a", 2), confusion("a", "b", 1)]
    task = confusion_of("t", rows)
    assert [(m.truth, m.predicted, m.clips) for m in task.largest] == [("a", "b", 2), ("b", "a", 2)]
    assert confusion_of("t", [confusion("a", "a", 3)]).largest == ()


def test_a_clip_that_leaked_twice_counts_once_by_the_surest_way(whole):
    leaks = read_leaks(finished(whole))
    assert leaks
    assert (leaks.clips, leaks.rows, len(leaks.listed)) == (24, 25, 20)
    assert leaks.reasons == (("the same bytes", 1), ("a sentence of a caption", 23))
    assert leaks_of([]).clips == 0


def test_an_older_evaluation_has_none_of_these_sections(build, tmp_path):
    workspace = build(tmp_path / "workspace", clips=12)
    stage = workspace.latest_run()[1]["evaluate"]
    for name in ("confusion.parquet", "leaks.parquet"):
        assert f'id="{"confusions" if "con" in name else "leaks"}"' in write_page(workspace)
        stage.file(name).unlink()
    page = write_page(workspace)
    assert 'id="confusions"' not in page
    assert 'id="leaks"' not in page


def write_page(workspace) -> str:
    return write_report(workspace).read_text("utf-8")

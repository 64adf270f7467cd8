"""What the page says of a training run, under any objective, from new logs and old ones."""

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from earmark.pretrain.checkpoint.folder import (
    count_parameters,
    read_target_specs,
    write_target_specs,
)
from earmark.pretrain.objectives.targets import TargetSpecs
from earmark.pretrain.text.config import TextStats, TokenizerSpec
from earmark.report import write_report
from earmark.report.formatting import metric_name
from earmark.report.run import STAGE_PURPOSES, RunData
from earmark.report.training import (
    MAX_POINTS,
    Curve,
    LogRow,
    ParallelLayout,
    read_layouts,
    read_log,
    read_parts,
    read_scores,
    read_training,
    thin_curve,
)
from earmark.tables import write_jsonl
from earmark.workspace import Workspace


@pytest.fixture
def run(build, tmp_path):
    """A function that writes a log into a workspace and returns what has finished there."""
    workspace = build(tmp_path / "workspace", "pretrain", clips=12)
    recipe, stages = workspace.latest_run()

    def write(rows) -> RunData:
        write_jsonl(stages["pretrain"].file("log.jsonl"), rows)
        return RunData(workspace.root, recipe, stages, "evaluate")

    return write


def contrastive(steps=(10, 20, 30)):
    """The log of an objective with two losses and scores of its own."""
    for step in steps:
        yield {
            "step": step,
            "split": "train",
            "loss": 4.0 - step / 10,
            "loss/tags": 1.0 / step,
            "loss/contrastive": 3.0 - step / 100,
            "loss/weight/tags": 0.5 + step / 100,
            "audio_s": 100.0 * step,
            "audio_s_per_s": 50.0,
            "padding": 0.04 if step == 10 else 0.01,
            "data_wait": 0.02,
            "memory_gib": 3.0 + step / 10,
            "epoch": step / 20,
            "processes": 8 if step < 30 else 4,
            "accumulate": 1 if step < 30 else 2,
        }
        yield {
            "step": step,
            "split": "validation",
            "loss": 2.0,
            "recall_at_1": step / 100,
            "recall_at_10": None if step == 10 else step / 50,
            "selects": "recall_at_10",
        }


def test_of_a_step_logged_twice_the_later_row_counts(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"step":2,"split":"train","loss":9.0,"lr":0.1}\n'
        '{"step":2,"split":"validation","loss":3.0,"map":0.5}\n'
        '{"step":1,"split":"train","loss":7.0,"other":"ignored"}\n'
        '{"step":2,"split":"train","loss":1.0,"audio_s_per_s":3.5}\n'
    )
    assert read_log(path) == [
        LogRow(1, "train", 7.0),
        LogRow(2, "train", 1.0, {"audio_s_per_s": 3.5}),
        LogRow(2, "validation", 3.0, {"map": 0.5}),
    ]


def test_a_loss_that_was_no_number_is_read(tmp_path):
    path = tmp_path / "log.jsonl"
    write_jsonl(path, [{"step": 1, "split": "validation", "loss": float("nan")}])
    (row,) = read_log(path)
    assert np.isnan(row.loss)


def test_numbers_of_a_run_under_any_objective(run):
    training = read_training(run(list(contrastive())))
    assert training is not None
    assert list(training.parts) == ["tags", "contrastive"]
    assert training.weights == {"tags": 0.8}
    assert list(training.scores) == ["recall_at_1", "recall_at_10"]
    assert list(training.scores["recall_at_10"].steps) == [20, 30]
    assert training.chosen == training.drawn == "recall_at_10"
    assert (training.steps, training.epochs, training.audio_s) == (30, 1.5, 3000.0)
    assert (training.padding, training.data_wait) == pytest.approx((0.02, 0.02))
    assert training.memory_gib == 6.0
    assert training.layouts == [ParallelLayout(10, 8, 1), ParallelLayout(30, 4, 2)]


def test_an_old_log_tells_less(run):
    rows = [
        {"step": 1, "split": "train", "loss": 2.0, "lr": 0.1},
        {"step": 1, "split": "validation", "loss": 1.0, "map": 0.25},
    ]
    training = read_training(run(rows))
    assert training is not None
    assert (training.chosen, training.drawn) == ("map", "")  # one point is no curve
    assert training.parts == training.weights == {}
    assert training.layouts == []
    assert training.padding is training.data_wait is training.memory_gib is training.epochs is None
    assert training.best_step is None


def test_a_single_part_is_the_loss_and_not_shown():
    assert read_parts([LogRow(1, "train", 2.0, {"loss/tags": 2.0})]) == {}
    assert read_scores([]) == {}


def test_the_layout_is_told_where_it_changes():
    rows = [LogRow(step, "train", 1.0, {"processes": n}) for step, n in ((1, 2), (2, 2), (3, 1))]
    assert read_layouts(rows) == [ParallelLayout(1, 2, 1), ParallelLayout(3, 1, 1)]


def test_the_page_names_parts_scores_and_the_best_step(run):
    found = run(list(contrastive()))
    pretrain = found.stages["pretrain"]
    pretrain.file("best").mkdir()
    pretrain.file("best/config.json").write_text('{"step": 20}')
    facts = TextStats(texts=500, tokens=12345, longest=301, texts_cut=4, tokens_cut=99)
    checkpoint = pretrain.file("checkpoint")
    (part,) = read_target_specs(checkpoint).parts
    part = msgspec.structs.replace(part, words=TokenizerSpec(tokenizer="{}", facts=facts))
    write_target_specs(TargetSpecs(parts=(part,)), checkpoint)
    page = write_report(Workspace(found.root)).read_text("utf-8")
    for told in (
        "in 1.5 epochs",
        "2.0 % was padding",
        "up to 6.0 GiB",
        "8 of 1 batch a step each; from step 30 on 4 of 2 batches",
        "tags 0.03333, contrastive 2.7",
        "Weights learnt: tags 0.8",
        "highest recall at 10: that of step 20",
        '<th scope="row">recall at 1</th><td class="value">0.200</td><td class="value">0.300</td>',
        "500 of 12,345 tokens, the longest of 301",
        "4 were cut at the most tokens that the recipe allows, by 99 in all",
    ):
        assert told in page, told
    assert "Validation recall at 10 by optimizer step" in page
    assert "predict the tags" not in STAGE_PURPOSES["pretrain"]


def test_scores_are_called_what_people_call_them():
    assert metric_name("map") == "mAP"
    assert metric_name("recall_at_10") == "recall at 10"
    assert metric_name("tags/map") == "tags, mAP"


def test_a_long_curve_is_averaged_down():
    steps = np.arange(1.0, 10_001.0)
    curve = thin_curve(Curve(steps, 2 * steps))
    assert len(curve.steps) == MAX_POINTS
    np.testing.assert_allclose(curve.values, 2 * curve.steps)
    assert abs(curve.steps.mean() - steps.mean()) < 10


def test_a_short_curve_stays_as_it_is():
    curve = Curve(np.arange(3.0), np.ones(3))
    assert thin_curve(curve) is curve


def test_parameters_are_counted_from_the_header(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float32)}, path)
    assert count_parameters(path) == 17

"""Probes in the card of the checkpoint that was probed."""

from pathlib import Path

from earmark.evaluate.base import Comparison
from earmark.evaluate.run import add_scores_to_card
from earmark.records import Score


def score(value: float) -> Score:
    return Score(
        task="ESC-50", encoder="trained", metric="accuracy", value=value, low=0.1, high=0.9,
        chance=0.02, train=10, test=5, classes=50, seed=0,
    )  # fmt: skip


LEAD = Comparison(
    metric="accuracy",
    task="ESC-50",
    better="trained",
    than="random",
    difference=0.2,
    low=0.1,
    high=0.3,
)


def test_new_scores_take_the_place_of_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# Card\n\n<!-- probes: begin -->\nnone\n<!-- probes: end -->\n\n## End\n")
    assert add_scores_to_card(tmp_path, [score(0.25)], [LEAD])
    first = path.read_text()
    assert "| ESC-50 | accuracy | 50 | 10/5 | 0.020 | 0.250 [0.100, 0.900] |" in first
    assert "**+0.200 [+0.100, +0.300]**" in first
    assert first.endswith("## End\n")
    assert "none" not in first
    add_scores_to_card(tmp_path, [score(0.75)], [])
    assert "0.750" in path.read_text()
    assert "0.250" not in path.read_text()
    add_scores_to_card(tmp_path, [score(0.25)], [LEAD])
    assert path.read_text() == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["README.md"]


def test_a_run_without_tasks_says_so(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Card\n")
    add_scores_to_card(tmp_path, [], [])
    assert "No task was asked for." in (tmp_path / "README.md").read_text()


def test_a_checkpoint_without_a_card_is_left_alone(tmp_path: Path) -> None:
    assert not add_scores_to_card(tmp_path, [score(0.5)], [])
    assert list(tmp_path.iterdir()) == []

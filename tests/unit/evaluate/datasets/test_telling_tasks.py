from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark.cli import app
from earmark.config import ConfigError
from earmark.evaluate.dataset_registry import known_datasets
from earmark.evaluate.datasets.describe import describe_dataset, list_datasets
from earmark.evaluate.datasets.measure import INDEX_NAME


def test_all_datasets_are_listed() -> None:
    printed = CliRunner().invoke(app, ["datasets"]).output.splitlines()
    assert [line.split()[0] for line in printed] == list(known_datasets())


def test_a_listing_says_which_copies_are_there(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    copy_of("librispeech-gender")
    here = [line.split()[1] for line in list_datasets(tmp_path).splitlines() if line[0] != "-"]
    assert here == ["librispeech-speaker", "librispeech-gender"]


@pytest.mark.parametrize("name", known_datasets())
def test_one_dataset_is_told_in_full(
    name: str, copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    dataset = known_datasets()[name]
    printed = " ".join(describe_dataset(name, None).split())
    for words in (dataset.licence, dataset.home, dataset.get, dataset.splits, dataset.chance):
        assert " ".join(words.split()) in printed
    assert f'dataset = "{name}"' in printed
    assert "give --datasets FOLDER" in printed
    folder = copy_of(name)
    assert "clips are listed" in " ".join(describe_dataset(name, tmp_path).split())
    assert not (folder / INDEX_NAME).exists()


def test_a_missing_and_a_broken_copy_are_told_apart(tmp_path: Path) -> None:
    assert "none in" in describe_dataset("esc50", tmp_path)
    (tmp_path / "esc50").mkdir()
    assert "broken: expected meta/esc50.csv" in " ".join(
        describe_dataset("esc50", tmp_path).split()
    )


def test_an_unknown_name_has_a_nearest_one() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'fsd50k'"):
        describe_dataset("fsd-50k", None)

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.annotate.audit.config import LabelList, audioset_classes, read_class_names
from earmark.annotate.audit.matching import list_coverage
from earmark.config import ConfigError


def test_audioset_comes_along() -> None:
    names = audioset_classes()
    assert len(names) == len(set(names)) == 527
    assert (names[0], names[-1]) == ("Speech", "Field recording")


def test_coverage_says_what_is_missing() -> None:
    classes = ["Dog", "Acoustic guitar", "Church bell", "Violin, fiddle"]
    exact, lemma = list_coverage("toy", classes, ["dogs", "guitar", "acoustic", "fiddle"], None)
    assert (exact.match, exact.covered, exact.classes) == ("exact", 1, 4)
    assert exact.missing == ("Dog", "Acoustic guitar", "Church bell")
    assert (lemma.covered, lemma.missing) == (3, ("Church bell",))


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("list.txt", "# a remark\ndog\n\ncat\ndog\n", ""),
        ("list.json", '{"dog": 3, "cat": 1}', ""),
        ("list.json", '["dog", "cat"]', ""),
        ("list.json", '{"note": "counts", "tags": {"dog": 3, "cat": 1}}', ""),
        ("list.csv", 'index,name\n0,dog\n1,"cat"\n', "name"),
        ("list.tsv", "index\tname\n0\tdog\n1\tcat\n", "name"),
    ],
)
def test_lists_of_every_format(tmp_path: Path, name: str, text: str, column: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_class_names(LabelList(name="toy", path=str(path), column=column)) == ("dog", "cat")


@pytest.mark.parametrize(
    ("name", "text", "column", "message"),
    [
        ("list.xml", "dog", "", "suffixes"),
        ("list.txt", "# only a remark\n", "", "no names"),
        ("list.json", "{", "", "not valid JSON"),
        ("list.json", "3", "", "keys are names"),
        ("list.json", "[1, 2]", "", "keys are names"),
        ("list.csv", "index,name\n0,dog\n", "nam", "Did you mean 'name'"),
        ("list.csv", "index,name\n0,dog\n", "", "several columns"),
        ("list.csv", "", "name", "no column"),
    ],
)
def test_a_bad_list_is_told(
    tmp_path: Path, name: str, text: str, column: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_class_names(LabelList(name="toy", path=str(path), column=column))


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_class_names(LabelList(name="toy", path=str(tmp_path / "none.txt")))

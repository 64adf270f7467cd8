import sys
from pathlib import Path

import pytest

from earmark.config import ConfigError, import_target
from earmark.records import Row, Source


def test_a_class_is_found_by_its_name() -> None:
    assert import_target("earmark.records:Source", Row) is Source


def test_a_module_of_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_for_a_test.py").write_text(
        "from earmark.records import Row\n\n"
        "class Mine(Row, frozen=True, kw_only=True):\n    x: int\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert import_target("mine_for_a_test:Mine", Row).__name__ == "Mine"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("earmark.records", "module:Class"),
        ("no_such_module:A", "cannot be imported"),
        ("earmark.records:Sorce", "Did you mean 'Source'"),
        ("earmark.tables:read_parquet", "derived from"),
        ("pathlib:Path", "derived from"),
    ],
)
def test_what_is_no_such_class_is_told(target: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        import_target(target, Row)

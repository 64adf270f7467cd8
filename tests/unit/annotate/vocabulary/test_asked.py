"""Command lines of `earmark vocabulary` that cannot be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from earmark.annotate.vocabulary.asked import check_asked
from earmark.config import ConfigError

NOTHING: dict[str, Any] = {
    "out": None,
    "rewrite": False,
    "propose": None,
    "diff": None,
    "tags": None,
}
PAIR = (Path("old"), Path("new"))


@pytest.mark.parametrize(
    ("source", "overrides", "options", "message"),
    [
        ("", [], {}, "give a recipe"),
        ("folder", [], {"tags": Path("t.jsonl")}, "--tags is of --diff: leave out t.jsonl"),
        ("folder", [], {"rewrite": True}, "--rewrite is of --out"),
        ("folder", [], {"diff": PAIR}, "leave out folder"),
        ("", [], {"diff": PAIR, "out": Path("zz")}, "leave out zz"),
        ("", [], {"diff": PAIR, "rewrite": True}, "--diff makes no vocabulary"),
        ("folder", [], {"propose": Path("nowhere/d.toml")}, "there is no folder nowhere"),
    ],
)
def test_options_that_do_not_go_together(
    source: str, overrides: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_asked(source, overrides, **{**NOTHING, **options})


def test_files_of_rows(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")
    rows = str(tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match="--out DIR"):
        check_asked(rows, [], **NOTHING)
    with pytest.raises(ConfigError, match="put them into one folder"):
        check_asked(rows, [str(tmp_path / "b.jsonl")], **{**NOTHING, "out": tmp_path})


def test_what_makes_sense(tmp_path: Path) -> None:
    check_asked("folder", ["vocabulary.size=3"], **NOTHING)
    check_asked("a.jsonl", [], **{**NOTHING, "out": tmp_path, "rewrite": True})
    check_asked("", [], **{**NOTHING, "diff": PAIR, "tags": Path("t.jsonl")})

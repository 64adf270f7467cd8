"""Two backends, prompt by prompt."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from earmark.annotate.backends.base import Prompt
from earmark.annotate.backends.compare import compare_backends, shared_prefix_share
from earmark.annotate.backends.scripted import ScriptedConfig


def test_share_of_equal_leading_words(tmp_path: Path) -> None:
    (tmp_path / "first.jsonl").write_text(
        '{"id": "same", "text": "A dog barks."}\n'
        '{"id": "parts", "text": "A dog barks twice in rain"}\n'
        '{"id": "refused", "text": "A dog barks."}\n'
    )
    (tmp_path / "second.jsonl").write_text(
        '{"id": "same", "text": "A  dog\\nbarks."}\n'
        '{"id": "parts", "text": "A dog barks once in rain, loudly outside"}\n'
        '{"id": "refused", "refusal": "too long"}\n'
    )
    first, second = (
        ScriptedConfig(path=str(tmp_path / f"{name}.jsonl")).build() for name in ("first", "second")
    )
    prompts = [Prompt(id=name) for name in ("same", "parts", "refused")]
    found = asyncio.run(compare_backends(first, second, prompts))
    assert [(one.id, one.share) for one in found] == [
        *(("same", 1.0), ("parts", 3 / 8), ("refused", 0.0)),
    ]
    assert found[2].second == "refused: too long"


@pytest.mark.parametrize(
    ("one", "other", "share"), [([], [], 1.0), (["a"], [], 0.0), (["a"], ["a", "b"], 0.5)]
)
def test_edges(one: list[str], other: list[str], share: float) -> None:
    assert shared_prefix_share(one, other) == share

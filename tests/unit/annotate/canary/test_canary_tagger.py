from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.annotate.canary import check_tagger
from earmark.workspace import StageError


class Tags(Backend):
    """Lists the long words of the description, or says `always`."""

    fingerprint = "tags"
    concurrency = 2
    needs_canary = True
    discovered = NOTHING_DISCOVERED

    def __init__(self, always: Completion | Refusal | None = None) -> None:
        self.always = always
        self.closed = False

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        words = [word.strip(".,").lower() for word in (prompt.text or "").split()]
        tags = list(dict.fromkeys(word for word in words if len(word) > 6))[:8]
        return self.always or Completion(text=msgspec.json.encode(tags).decode())

    async def aclose(self) -> None:
        self.closed = True


def readable(text: str) -> bool:
    return text.startswith("[")


def test_a_tagger_passes(tmp_path: Path) -> None:
    backend = Tags()
    folder = tmp_path / "canary"
    assert check_tagger(backend, folder, readable=readable) == {"in": 2, "out": 2}
    assert backend.closed
    assert "passed" in (folder / "canary.json").read_text()


@pytest.mark.parametrize(
    ("always", "name", "words"),
    [
        (Completion(text='["sound", "audio", "music"]'), "text ignored", "the same tags for both"),
        (Completion(text="and then the band went home"), "unreadable", "base model"),
        (Refusal(reason="bad request", detail="400: no chat template"), "refused", "400"),
    ],
)
def test_a_fault_stops_the_job(
    always: Completion | Refusal, name: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(StageError) as caught:
        check_tagger(Tags(always), tmp_path, readable=readable)
    assert f"({name})" in str(caught.value)
    assert words in str(caught.value)
    assert "--no-canary" in str(caught.value)

"""A backend whose answers are written beforehand: for tests, dry runs and captions one has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.config import Config, ConfigError, fingerprint
from earmark.records import Row
from earmark.tables import read_jsonl


class ScriptedConfig(Config, frozen=True, kw_only=True, tag="scripted", tag_field="kind"):
    """Answers from a JSONL file of {"id": clip id, "text": answer} or {"id", "refusal": reason}.

    Args:
        path: the file; without one every prompt gets `default`.
        default: the answer to a prompt that the file does not name; without one it is refused.
    """

    path: str | None = None
    default: str | None = None

    def check(self) -> None:
        """Refuse a backend without an answer. Raises ConfigError."""
        if self.path is None and self.default is None:
            raise ConfigError("the scripted backend needs a path or a default answer")

    def build(self) -> Backend:
        """Return the backend. Raises ConfigError: the file does not exist."""
        if self.path is not None and not Path(self.path).is_file():
            raise ConfigError(f"scripted backend: no file of answers at {self.path}")
        lines = read_jsonl(Path(self.path), ScriptedAnswer) if self.path else ()
        return ScriptedBackend({line.id: line for line in lines}, self.default)


class ScriptedAnswer(Row, frozen=True, kw_only=True):
    """A line of the file."""

    id: str
    text: str = ""
    refusal: str | None = None


class ScriptedBackend(Backend):
    """Answers by looking up the prompt's id; counts what it was asked in `asked`."""

    concurrency = 4
    needs_canary = False
    discovered = NOTHING_DISCOVERED

    def __init__(self, answers: Mapping[str, ScriptedAnswer], default: str | None) -> None:
        self.fingerprint = fingerprint("scripted", answers, default)
        self.asked: list[str] = []
        self._answers = answers
        self._default = default

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Return the scripted answer."""
        self.asked.append(prompt.id)
        line = self._answers.get(prompt.id)
        if line is not None and line.refusal is not None:
            return Refusal(reason=line.refusal)
        if line is not None:
            return Completion(text=line.text)
        if self._default is not None:
            return Completion(text=self._default)
        return Refusal(reason="not scripted", detail=f"no line has the id {prompt.id}")

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of."""

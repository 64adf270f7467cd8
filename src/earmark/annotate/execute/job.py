"""What is asked of a backend: a table of prompts, and which answers are turned down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from earmark.annotate.backends.base import Backend
from earmark.annotate.jobs.job import PromptTable

Fault = Callable[[str, str], str | None]
"""(text, finish reason) -> why the answer is turned down, or None."""


class BackendConfig(Protocol):
    """Settings that build a backend, in whichever process does the work."""

    def build(self) -> Backend:
        """Return the backend; nothing is started yet."""
        ...


@dataclass(frozen=True)
class Job:
    """A table of prompts, who answers them, and what is turned down; it can be pickled.

    Each prompt whose answer has a fault is asked once more, as another draw.
    """

    title: str
    prompts: PromptTable
    backend: BackendConfig
    fault: Fault
    folder: Path

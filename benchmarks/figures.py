"""What a benchmark prints: a line a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One line: name, value, unit, goal, ok or short; "-" where nothing was promised."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    bound: Literal["least", "most"] = "most"

    @property
    def good(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.bound == "least" else self.value <= self.goal

    def __str__(self) -> str:
        verdict = "-" if self.goal is None else "ok" if self.good else "short"
        goal = "-" if self.goal is None else f"{self.goal:g}"
        return f"{self.name}: {self.value:.3g} {self.unit} {goal} {verdict}"

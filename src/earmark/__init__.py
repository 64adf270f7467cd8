"""earmark: audio into supervision, supervision into encoders, encoders into honest numbers.

The names below are imported when they are first used; `import earmark` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.annotate.vocabulary import Vocabulary
    from earmark.pipeline import run
    from earmark.pretrain.inference.load import load_encoder
    from earmark.pretrain.inference.tagger import load_tagger
    from earmark.recipe import Recipe, load_recipe

__all__ = ["Recipe", "Vocabulary", "load_encoder", "load_recipe", "load_tagger", "run"]

_HOMES = {
    "Recipe": ".recipe",
    "Vocabulary": ".annotate.vocabulary",
    "load_encoder": ".pretrain.inference.load",
    "load_recipe": ".recipe",
    "load_tagger": ".pretrain.inference.tagger",
    "run": ".pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'earmark' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)

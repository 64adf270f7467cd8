"""Whether a command line of `earmark vocabulary` makes sense, before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.config import ConfigError

from .counting.sources import is_source


def check_asked(
    source: str,
    overrides: Sequence[str],
    *,
    out: Path | None,
    rewrite: bool,
    propose: Path | None,
    diff: tuple[Path, Path] | None,
    tags: Path | None,
) -> None:
    """Refuse what cannot be meant together; every option given has an effect.

    Raises:
        ConfigError: the message says what to leave out or to add.
    """
    if diff is not None:
        _refuse("--diff makes no vocabulary", source or overrides or out or rewrite or propose)
        return
    _refuse("--tags is of --diff", tags)
    if not source:
        raise ConfigError(
            "give a recipe, a workspace or, with --out DIR, a file of tags; see --help"
        )
    if out is None:
        _refuse("--rewrite is of --out DIR", rewrite)
        _check_recipe(source)
    elif more := [name for name in overrides if "=" not in name and is_source(Path(name))]:
        raise ConfigError(
            f"one file or folder is counted, and {more[0]} is another: put them into one folder"
        )
    if propose is not None and not propose.absolute().parent.is_dir():
        raise ConfigError(f"--propose {propose}: there is no folder {propose.parent}")


def _refuse(why: str, given: object) -> None:
    if given:
        raise ConfigError(
            f"{why}: leave out {given if isinstance(given, str | Path) else 'the rest'}"
        )


def _check_recipe(recipe: str) -> None:
    if is_source(Path(recipe)):
        raise ConfigError(
            f"{recipe} is a file of rows, not a recipe. Say where its vocabulary goes: "
            f"earmark vocabulary {recipe} --out DIR"
        )

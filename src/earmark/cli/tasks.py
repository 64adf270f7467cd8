"""Verb of the datasets that are known by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app


@app.command(epilog="Example: earmark tasks esc50 --datasets ~/datasets")
def tasks(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A dataset; all of them without it.")
    ] = None,
    copies: Annotated[
        Path | None,
        typer.Option("--datasets", help="Where copies are looked for, as evaluate.datasets."),
    ] = None,
) -> None:
    """List the datasets that an encoder can be measured on by name, or tell of one of them.

    A dataset's licence, where to get it, how a copy is laid out, what is asked and what to expect.
    Nothing is ever downloaded.
    """
    from earmark.evaluate.datasets.telling import told, told_all

    print(told(name, copies) if name else told_all(copies))

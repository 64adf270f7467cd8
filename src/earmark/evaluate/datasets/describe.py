"""What `earmark tasks` prints: the list of known datasets, or one of them in full."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from earmark.evaluate.dataset_registry import (
    Dataset,
    JsonRows,
    Layout,
    NamedFiles,
    RowSource,
    TableRows,
    dataset_folder,
    get_dataset,
    known_datasets,
)
from earmark.evaluate.datasets.listing import ListedClip, list_clips
from earmark.evaluate.datasets.tables import BrokenCopyError

WIDTH = 96
INDENT = 12


def list_datasets(copies: Path | None) -> str:
    """Return a line for each dataset; where `copies` are looked for, whether there is one.

    Only the folders' names are looked at.
    """
    lines: list[str] = []
    for name, dataset in known_datasets().items():
        here = ""
        if copies is not None:
            here = "here    " if (copies / dataset_folder(name)).is_dir() else "-       "
        lines.append(f"{here}{name:<21}{dataset.metric:<10}{dataset.title}")
    return "\n".join(lines)


def describe_dataset(name: str, copies: Path | None) -> str:
    """Return all that is known of a dataset, and what a copy in the folder `copies` holds.

    Its tables and folders are read, its audio is not.

    Raises:
        ConfigError: there is no dataset of this name.
    """
    dataset = get_dataset(name)
    facts = [(what, words) for what, words in _dataset_facts(name, dataset) if words]
    facts.append(("copy", _describe_copy(name, dataset, copies)))
    lines = [f"{name}: {dataset.title}", *(_format_fact(what, words) for what, words in facts)]
    if dataset.published:
        lines += ["published", *_published(dataset)]
    lines += ["in a recipe", textwrap.indent(_recipe(name), "  ")]
    return "\n".join(lines)


def _dataset_facts(name: str, dataset: Dataset) -> Iterator[tuple[str, str]]:
    yield "revision", dataset.revision
    yield "domain", dataset.domain
    yield "size", _size(dataset)
    yield "licence", dataset.licence
    yield "home", dataset.home
    yield "get", dataset.get
    yield "folder", f"{dataset_folder(name)}/ in evaluate.datasets"
    yield "layout", "; ".join(_describe_rows(rows, dataset.layout) for rows in dataset.layout.rows)
    yield "label", dataset.label
    yield "splits", dataset.splits
    yield "together", dataset.layout.recording and f"clips that agree in {dataset.layout.recording}"
    yield "metric", dataset.metric
    yield "chance", dataset.chance


def _size(dataset: Dataset) -> str:
    sizes = ((dataset.clips, "clips"), (dataset.classes, "classes"))
    return ", ".join(f"{count:,} {what}" for count, what in sizes if count)


def _describe_rows(rows: RowSource, layout: Layout) -> str:
    split = f" ({rows.split})" if rows.split else ""
    if isinstance(rows, NamedFiles):
        return f"files named {layout.name}{split}"
    kind = "an object a clip" if isinstance(rows, JsonRows) else "a line a clip"
    columns = f": {', '.join(rows.columns)}" if isinstance(rows, TableRows) and rows.columns else ""
    return f"{rows.file} with {kind}{columns}, audio in {rows.path}{split}"


def _describe_copy(name: str, dataset: Dataset, copies: Path | None) -> str:
    if copies is None:
        return "not looked for: give --datasets FOLDER"
    folder = copies.absolute() / dataset_folder(name)
    if not folder.is_dir():
        return f"none in {copies.absolute()}"
    try:
        rows = list(list_clips(dataset.layout, (dataset.label,), folder))
    except BrokenCopyError as error:
        return f"broken: {error}"
    listed = sum(isinstance(row, ListedClip) for row in rows)
    whole = f" of {dataset.clips:,}" if dataset.clips else ""
    lost = f"; {len(rows) - listed} rows cannot be used" if listed < len(rows) else ""
    return f"in {folder}: {listed:,}{whole} clips are listed{lost}"


def _published(dataset: Dataset) -> Iterator[str]:
    for figure in dataset.published:
        yield f"  {figure.value:<7.4g}{figure.encoder} ({figure.how}; {figure.source})"


def _recipe(name: str) -> str:
    return f'[evaluate]\ndatasets = "..."\n\n[[evaluate.tasks]]\ndataset = "{name}"'


def _format_fact(what: str, words: str) -> str:
    return textwrap.fill(
        words,
        WIDTH,
        initial_indent=f"{what:<{INDENT}}",
        subsequent_indent=" " * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )

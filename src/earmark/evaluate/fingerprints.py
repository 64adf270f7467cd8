"""What an evaluation depends on outside the recipe, as digests, without torch.

They are cheap enough to compute before each run: small files count by their bytes, weights and
audio by name and size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

import msgspec

from earmark.config import ConfigError
from earmark.evaluate.config import (
    CheckpointChoice,
    ClassificationTaskConfig,
    EncoderChoice,
    EvaluateConfig,
    ExternalChoice,
)
from earmark.evaluate.dataset_registry import Layout, NamedFiles, dataset_folder, get_dataset
from earmark.evaluate.datasets.listing import AudioFiles, ListedClip, list_clips
from earmark.evaluate.datasets.load import table_layout
from earmark.evaluate.datasets.tables import BrokenCopyError
from earmark.io import hash_file
from earmark.pretrain.checkpoint.folder import find_checkpoint
from earmark.pretrain.encoders.config import HuggingFaceConfig

ABSENT = "absent"

DIGEST_DIGITS = 32


def model_digests(config: EvaluateConfig) -> dict[str, str]:
    """Return, by what is measured, a digest that changes when it does.

    That is for each further encoder its checkpoint, its folder or its source, and for each task of
    questions the folder of its language model. What a model hub names is "" (its name stands in
    the recipe), what is not there is "absent".
    """
    found = {f"encoders.{name}": _encoder_digest(each) for name, each in config.encoders.items()}
    return found | {
        f"questions.{task.name}": _folder_digest(task.model) for task in config.questions
    }


def source_code_digest(target: str) -> str:
    """Return a digest of the source of "module:Class": its file, or all files of its package.

    Neither is the module imported, nor are those looked at that it imports. It is "absent" where
    there is no such module, or none in Python.
    """
    spec = _find_module_spec(target.partition(":")[0])
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ABSENT
    root = Path(spec.origin)
    paths = sorted(root.parent.rglob("*.py")) if spec.submodule_search_locations else [root]
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root.parent).as_posix()} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()[:DIGEST_DIGITS]


def _encoder_digest(choice: EncoderChoice) -> str:
    match choice:
        case HuggingFaceConfig():
            return _folder_digest(choice.model)
        case ExternalChoice():
            return source_code_digest(choice.target)
        case CheckpointChoice():
            try:
                return _folder_digest(str(find_checkpoint(Path(choice.path))))
            except ConfigError:
                return ABSENT


def _folder_digest(model: str) -> str:
    """Return a digest of the names, sizes and modification times of a folder's files."""
    folder = Path(model)
    if not model or not folder.is_dir():
        return ""
    lines = "\n".join(sorted(_file_stamps(folder)))
    return hashlib.sha256(lines.encode()).hexdigest()[:DIGEST_DIGITS]


def _file_stamps(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            status = path.stat()
            name = path.relative_to(folder).as_posix()
            yield f"{name} {status.st_size} {status.st_mtime_ns}"


def _find_module_spec(module: str) -> ModuleSpec | None:
    """Return where a module would be imported from, without importing the packages it is in."""
    outer, *inner = module.split(".")
    try:
        spec = find_spec(outer) or PathFinder.find_spec(outer, [str(Path.cwd())])
    except (ImportError, ValueError):  # ValueError: it was run as a script, or made by hand
        return None
    name = outer
    for each in inner:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{each}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec


def task_data_digests(config: EvaluateConfig) -> dict[str, list[str]]:
    """Return, by task, what changes when its source does: not where it lies, but what it lists.

    For a named dataset that is its entry and the bytes of its tables, each "absent" where it is not
    there; for a table its bytes. Of audio the names and sizes of the files that are listed count,
    so that it is noticed when they arrive; none is opened.

    Raises:
        ConfigError: a dataset is unknown.
    """
    foreign = [task for task in config.tasks if task.dataset or task.table]
    return {task.title: list(_task_digests(task, config.datasets)) for task in foreign}


def _task_digests(task: ClassificationTaskConfig, copies: str) -> Iterator[str]:
    if task.table:
        table = Path(task.table).absolute()
        yield _file_digest(table)
        yield _audio_digest(table_layout(task), task.label, table.parent)
        return
    dataset = get_dataset(task.dataset)
    folder = Path(copies, dataset_folder(task.dataset)).absolute()
    yield hashlib.sha256(msgspec.json.encode(dataset, order="sorted")).hexdigest()[:DIGEST_DIGITS]
    for name in _layout_paths(dataset.layout):
        yield _file_digest(folder / name) if copies else ABSENT
    yield _audio_digest(dataset.layout, dataset.label, folder) if copies else ABSENT


def _audio_digest(layout: Layout, label: str, folder: Path) -> str:
    """Return a digest of the audio that a copy lists: as it is named there, and each file's size.

    It is "absent" where the copy cannot be read.
    """
    digest = hashlib.sha256()
    files = AudioFiles(folder)
    try:
        for row in list_clips(layout, (label,), folder):
            if isinstance(row, ListedClip) and (path := files.find(row.path)):
                digest.update(f"{row.path} {path.name} {path.stat().st_size}\n".encode())
    except (BrokenCopyError, OSError):
        return ABSENT
    return digest.hexdigest()[:DIGEST_DIGITS]


def _layout_paths(layout: Layout) -> Iterator[str]:
    """Yield the files and folders that a copy is read from."""
    for rows in layout.rows:
        yield rows.folder if isinstance(rows, NamedFiles) else rows.file
    if layout.join:
        yield layout.join.file
    yield from layout.lists.values()


def _file_digest(path: Path) -> str:
    if path.is_dir():
        return "folder"
    try:
        return hash_file(path)
    except OSError:
        return ABSENT

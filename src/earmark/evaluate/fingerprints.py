"""What encoders and language models depend on that lies outside the recipe, without torch.

Each is told by what is cheap to ask before every run: small files by their bytes, weights by their
size and modification time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from earmark.config import ConfigError
from earmark.evaluate.config import CheckpointChoice, EncoderChoice, EvaluateConfig, ExternalChoice
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.use.finding import find_checkpoint

ABSENT = "absent"

DIGITS = 32


def model_digests(config: EvaluateConfig) -> dict[str, str]:
    """Return, by what is measured, a digest that changes when it does.

    That is for each further encoder its checkpoint, its folder or its source, and for each task of
    questions the folder of its language model. What a model hub names is "" (its name stands in
    the recipe), what is not there is "absent".
    """
    found = {f"encoders.{name}": _digest(each) for name, each in config.encoders.items()}
    return found | {f"questions.{task.name}": _folder(task.model) for task in config.questions}


def source_digest(target: str) -> str:
    """Return a digest of the source of "module:Class": its file, or all files of its package.

    Neither is the module imported, nor are those looked at that it imports. It is "absent" where
    there is no such module, or none in Python.
    """
    spec = _spec(target.partition(":")[0])
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ABSENT
    root = Path(spec.origin)
    paths = sorted(root.parent.rglob("*.py")) if spec.submodule_search_locations else [root]
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root.parent).as_posix()} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()[:DIGITS]


def _digest(choice: EncoderChoice) -> str:
    match choice:
        case HuggingFaceConfig():
            return _folder(choice.model)
        case ExternalChoice():
            return source_digest(choice.target)
        case CheckpointChoice():
            try:
                return _folder(str(find_checkpoint(Path(choice.path))))
            except ConfigError:
                return ABSENT


def _folder(model: str) -> str:
    """Return a digest of the names, sizes and modification times of a folder's files."""
    folder = Path(model)
    if not model or not folder.is_dir():
        return ""
    lines = "\n".join(sorted(_stamps(folder)))
    return hashlib.sha256(lines.encode()).hexdigest()[:DIGITS]


def _stamps(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            status = path.stat()
            name = path.relative_to(folder).as_posix()
            yield f"{name} {status.st_size} {status.st_mtime_ns}"


def _spec(module: str) -> ModuleSpec | None:
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

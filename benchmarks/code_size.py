"""How large the code is, and through how many files one value goes.

    python benchmarks/code_size.py [CHECKOUT]

Counts the Python files below CHECKOUT/src (this checkout by default) and traces three walks by
running them in that checkout:

- clip: `earmark manifest` on a folder of eight clips; files whose functions ran.
- vocabulary.size: a vocabulary of a file of tags with an unusual size; files whose functions
  were called with that number, or with settings that hold it.
- contrastive step: a short contrastive pre-training; files whose functions ran between two calls
  of `backward`.

Functions that run while a module is imported do not count. One line a figure: name and value.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile

SIZE = 7919  # no other number in the code
TRACER = """
import os, sys, threading
SRC, OUT, MODE, SIZE = (os.environ["WALK_" + k] for k in ("SRC", "OUT", "MODE", "SIZE"))
seen, recording = set(), MODE != "step"

def importing(frame):
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(SRC):
            return not frame.f_code.co_filename.endswith("__main__.py")
        frame = frame.f_back
    return False

def holds(value, depth=4):
    if type(value) is int:
        return value == int(SIZE)
    if isinstance(value, str):
        return len(value) < 999 and SIZE in value
    if isinstance(value, type) or not depth:
        return False
    if isinstance(value, (list, tuple)):
        return len(value) < 99 and any(holds(each, depth - 1) for each in value)
    if isinstance(value, dict):
        return len(value) < 99 and any(holds(each, depth - 1) for each in value.values())
    names = getattr(type(value), "__struct_fields__", ())
    return any(holds(getattr(value, name, None), depth - 1) for name in names)

def called(frame, event, argument):
    if event != "call" or not recording:
        return
    name = frame.f_code.co_filename
    if not name.startswith(SRC) or name in seen or frame.f_code.co_name == "<module>":
        return
    if MODE == "value" and not any(holds(v) for v in list(frame.f_locals.values())):
        return
    if importing(frame):
        return
    seen.add(name)
    with open(OUT, "a") as stream:
        stream.write(name + "\\n")

def watch_backward():
    import torch
    backward = torch.Tensor.backward
    def counted(*arguments, **named):
        global recording
        counted.calls += 1
        recording = counted.calls == 2
        return backward(*arguments, **named)
    counted.calls = 0
    torch.Tensor.backward = counted

if MODE == "step" and "earmark" in " ".join(sys.orig_argv):
    watch_backward()
threading.setprofile(called)
sys.setprofile(called)
"""


def main() -> int:
    checkout = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
    files = sorted((checkout / "src").rglob("*.py"))
    trees = {file: ast.parse(file.read_text("utf-8")) for file in files}
    lines = {file: file.read_text("utf-8").splitlines() for file in files}
    count = sum(map(len, lines.values()))
    comments = sum(line.lstrip().startswith("#") for each in lines.values() for line in each)
    imports = sum(_import_lines(tree) for tree in trees.values())
    print(f"lines {count}")
    print(f"files {len(files)}")
    print(f"mean lines a file {count / len(files):.0f}")
    print(f"comment lines, share {comments / count:.3f}")
    print(f"docstring lines, share {sum(map(_docstring_lines, trees.values())) / count:.3f}")
    print(f"import lines {imports}")
    print(f"public names in more than one file {len(_doubled(trees))}")
    print(f"import cycles {len(_cycles(checkout / 'src', trees))}")
    print(f"walk: clip to manifest row, files {_walk(checkout, 'files')}")
    print(f"walk: vocabulary.size, files {_walk(checkout, 'value')}")
    print(f"walk: contrastive step, files {_walk(checkout, 'step')}")
    return 0


def _import_lines(tree: ast.Module) -> int:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in nodes)


def _docstring_lines(tree: ast.Module) -> int:
    total = 0
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            total += (text.end_lineno or text.lineno) - text.lineno + 1
    return total


def _doubled(trees: dict[Path, ast.Module]) -> dict[str, set[Path]]:
    """Return the public functions and classes that several files define at their top level."""
    homes: dict[str, set[Path]] = defaultdict(set)
    for file, tree in trees.items():
        for node in tree.body:
            kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            if isinstance(node, kinds) and not node.name.startswith("_"):
                homes[node.name].add(file)
    return {name: found for name, found in homes.items() if len(found) > 1}


def _cycles(source: Path, trees: dict[Path, ast.Module]) -> list[list[str]]:
    """Return groups of modules that import each other, imports inside functions among them."""
    names = {_module(source, file): file for file in trees}
    edges = {
        name: _imported(name, trees[file], names, file.name == "__init__.py")
        for name, file in names.items()
    }
    return [group for group in _components(edges) if len(group) > 1]


def _module(source: Path, file: Path) -> str:
    parts = file.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, tree: ast.Module, names: dict[str, Path], package: bool) -> set[str]:
    found: set[str] = set()
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node in typing:
            continue
        base = name.split(".")
        if node.level:
            base = base[: len(base) - node.level + package] + (node.module or "").split(".")
        whole = ".".join(base if node.level else [node.module or ""]).strip(".")
        for alias in node.names:
            found.add(f"{whole}.{alias.name}" if f"{whole}.{alias.name}" in names else whole)
    return {each for each in found if each in names and each != name}


def _components(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return strongly connected components (Tarjan)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for after in edges[node]:
            if after not in order:
                visit(after)
                low[node] = min(low[node], low[after])
            elif after in stack:
                low[node] = min(low[node], order[after])
        if low[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            groups.append(group)

    sys.setrecursionlimit(10_000)
    for node in edges:
        if node not in order:
            visit(node)
    return groups


def _walk(checkout: Path, mode: str) -> int:
    """Run one of the three walks in `checkout`; returns how many of its files took part."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(TRACER, "utf-8")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), str(checkout / "src")]),
            "WALK_SRC": str(checkout / "src") + os.sep,
            "WALK_OUT": str(folder / "files"),
            "WALK_MODE": mode,
            "WALK_SIZE": str(SIZE),
        }
        newer = (checkout / "src" / "earmark" / "stages").is_dir()
        for arguments in _commands(folder, mode, newer):
            done = subprocess.run(
                [sys.executable, "-m", "earmark", *arguments],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")
        return len(set((folder / "files").read_text("utf-8").split("\n")) - {""})


def _commands(folder: Path, mode: str, newer: bool) -> list[list[str]]:
    if mode == "value":
        rows = [f'{{"id": "{i}", "tags": ["dog", "rain"]}}\n' for i in range(9)]
        (folder / "tags.jsonl").write_text("".join(rows), "utf-8")
        verb = ["vocabulary", "build"] if newer else ["vocabulary"]
        return [[*verb, "tags.jsonl", "--out", "uts", f"vocabulary.size={SIZE}"]]
    sounds = folder / "sounds"
    sounds.mkdir()
    rng = np.random.default_rng(0)
    for index in range(8):
        soundfile.write(sounds / f"{index}.wav", 0.1 * rng.standard_normal(32_000), 16_000)
    settings = ["folder", f"corpus.path={sounds}", "vocabulary.min_df=1", "captioner.events=off"]
    if mode == "files":
        return [["manifest", *settings, "-w", "work"]]
    small = ["encoder.dim=32", "encoder.layers=1", "pretrain.steps=4", "objective.kind=contrastive"]
    return [["pretrain", *settings, *small, "-w", "work"]]


if __name__ == "__main__":
    sys.exit(main())

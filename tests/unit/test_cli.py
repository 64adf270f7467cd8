"""The command line from outside: exit codes, messages, and what starting it costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

VERBS = (
    *("demo", "run", "scan", "caption", "tag", "audit", "manifest", "pretrain", "evaluate"),
    *("report", "label", "describe", "embed", "search", "export"),
    *("study", "datasets", "vocabulary build", "vocabulary diff"),
    *("vocabulary propose", "vocabulary rewrite"),
)
STAGE_COMMANDS = ("run", "scan", "caption", "tag", "vocabulary build", "manifest", "pretrain")


Run = Callable[..., subprocess.CompletedProcess[str]]


def earmark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "earmark", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_ends_with_an_example(verb: str, in_process: Run) -> None:
    done = in_process(*verb.split(), "--help")
    assert done.returncode == 0
    assert f"Example: earmark {verb}" in done.stdout


def test_help_does_not_import_torch() -> None:
    script = (
        "import sys; from earmark.cli import main\n"
        "sys.argv = ['earmark', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'numpy', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_reading_a_recipe_does_not_import_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from earmark.cli import main\n"
        f"for verb in {STAGE_COMMANDS}:\n"
        f"    sys.argv = ['earmark', *verb.split(), 'folder', 'corpus.path={tmp_path}/gone']\n"
        "    try: main()\n"
        "    except SystemExit as end: assert end.code == 2, (verb, end.code)\n"
        "    assert 'torch' not in sys.modules, verb"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "dmo"), ["neither a file nor a shipped recipe", "'demo'"]),
        (("run", "gone.toml"), ["no recipe at gone.toml"]),
        (("run", "demo", "pretrain.stepps=3"), ["unknown key 'stepps'", "[pretrain]", "'steps'"]),
        (("run", "demo", "pretrain.steps=many"), ["pretrain.steps", "whole number", '"many"']),
        (("run", "demo", "tagger.kind=lexicl"), ["tagger.kind", "'lexical'"]),
        (("run", "demo", "pretrain.steps"), ["table.key=value"]),
        (("scan", "folder", "corpus.path=/gone/folder"), ["/gone/folder"]),
        (("scan", "pack"), ["EARMARK_PACK", "corpus.path="]),
        (("label", "-c", "/gone", "a.wav"), ["/gone"]),
        (("report", "-w", "/gone"), ["/gone", "earmark run"]),
        (("report", "/gone"), ["/gone", "earmark run"]),
        (("report", "/gone", "-w", "/other"), ["/gone", "/other", "leave one out"]),
        (("tasks",), ["earmark tasks is now: earmark datasets"]),
        (("vocabulary", "--diff", "a", "b"), ["is now: earmark vocabulary diff"]),
        (("vocabulary", "folder"), ["no command 'folder'", "earmark vocabulary build folder"]),
        (("vocabulary", "build", "tags.jsonl"), ["tags.jsonl", "neither a file"]),
        (("vocabulary", "propose", "x", "gone/d.toml"), ["no folder gone"]),
        (("label", "--map", "a.wav"), ["--map is now --as-vocabulary"]),
        (("study", "study-mini", "--only", "1/2"), ["--only is now --shard"]),
        (("embed", "-o", "vectors.txt", "a.wav"), ["vectors.txt", "vectors.npy"]),
        (("embed", "-o", "gone/vectors.npy", "a.wav"), ["no folder gone"]),
    ],
)
def test_a_users_mistake_exits_with_2_and_says_what_to_write(
    arguments: tuple[str, ...],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    in_process: Run,
) -> None:
    monkeypatch.delenv("EARMARK_PACK", raising=False)
    monkeypatch.chdir(tmp_path)
    done = in_process(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_nothing_left_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.wav").write_text("this is no audio")
    done = earmark("scan", "folder", f"corpus.path={tmp_path}/sounds", "-w", tmp_path / "ws")
    assert done.returncode == 1
    assert "undecodable" in done.stderr
    assert "Traceback" not in done.stderr

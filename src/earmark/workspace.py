"""A workspace: one folder for each (stage, fingerprint), so that equal work is done once.

    workspace/
      scan-3f9a0c11b2de/     clips.parquet, rejected.parquet, provenance.json, done
      caption-77b1.../       answers.jsonl until sealed, then answers.parquet, ...
      run.json               which folder each stage of the latest run used

A stage's fingerprint covers its settings and the fingerprints of its inputs. A folder with a
`done` mark is never written again; a folder without one belongs to an interrupted stage, which
resumes there.
"""

from __future__ import annotations

import contextlib
import functools
import platform
import subprocess
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from earmark.config import ConfigError, fingerprint
from earmark.io import file_lock, write_text


class StageError(RuntimeError):
    """A stage left no usable result, through no mistake in the recipe. The CLI exits with 1."""


class StageFolder:
    """The folder of one stage at one fingerprint."""

    def __init__(self, name: str, digest: str, folder: Path) -> None:
        self.name = name
        self.fingerprint = digest
        self.folder = folder

    @property
    def done(self) -> bool:
        """Whether the stage has finished; then its files will not change any more."""
        return (self.folder / "done").exists()

    def file(self, name: str) -> Path:
        """Return the path of one of the stage's files."""
        return self.folder / name

    @contextlib.contextmanager
    def writing(self, *, wait: bool = False) -> Generator[None]:
        """Hold the stage's folder for writing; `wait` until nobody else holds it.

        Raises:
            ConfigError: another process holds it, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot write to {self.folder}: {error.strerror}") from None
        with file_lock(self.folder / "lock", wait=wait):
            yield

    def seal(
        self,
        *,
        settings: Any,
        inputs: Mapping[str, str],
        counts: Mapping[str, int],
        duration_s: float,
    ) -> None:
        """Write provenance.json and the done mark; the stage's files must be complete by now.

        `settings` is the config that made the stage, `inputs` the fingerprints it read, `counts`
        rows by outcome ("in", "out", "stage: reason"), `duration_s` the time of the last attempt.
        """
        provenance = {
            "stage": self.name,
            "fingerprint": self.fingerprint,
            "settings": msgspec.to_builtins(settings),
            "inputs": dict(inputs),
            "counts": dict(counts),
            "duration_s": round(duration_s, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": software_versions(),
        }
        write_text(self.file("provenance.json"), _format_json(provenance))
        write_text(self.file("done"), "")

    def provenance(self) -> dict[str, Any]:
        """Return what `seal` wrote."""
        return msgspec.json.decode(self.file("provenance.json").read_bytes())


class Workspace:
    """A folder of stages."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def stage(self, name: str, *parts: Any) -> StageFolder:
        """Return the stage `name` whose fingerprint covers `parts`; nothing is written yet."""
        digest = fingerprint(name, *parts)
        return StageFolder(name, digest, self.root / f"{name}-{digest}")

    def record_run(self, recipe: Any, stages: Mapping[str, StageFolder]) -> None:
        """Remember the resolved recipe and the folder of each of its stages as the latest run.

        Stages further on are kept where they were run with this same recipe.
        """
        folders = {name: stage.folder.name for name, stage in stages.items()}
        before = _read_run(self.root)
        if before and before["recipe"] == recipe:
            folders = {**before["stages"], **folders}
        self.root.mkdir(parents=True, exist_ok=True)
        write_text(self.root / "run.json", _format_json({"recipe": recipe, "stages": folders}))

    @property
    def has_run(self) -> bool:
        """Whether there is a latest run."""
        return _read_run(self.root) is not None

    def latest_run(self) -> tuple[dict[str, Any], dict[str, StageFolder]]:
        """Return the recipe and the stages of the latest run.

        Raises:
            ConfigError: nothing has been run here.
        """
        run = _read_run(self.root)
        if run is None:
            raise ConfigError(
                f"{self.root} holds no run yet. Start one: earmark run RECIPE -w {self.root}"
            )
        folders: dict[str, str] = run["stages"]
        stages = {
            n: StageFolder(n, f.rpartition("-")[2], self.root / f) for n, f in folders.items()
        }
        return run["recipe"], stages


def is_workspace(folder: Path) -> bool:
    """Return whether `folder` is a workspace, so that a corpus around it passes it over."""
    return _read_run(folder) is not None


def _read_run(root: Path) -> dict[str, Any] | None:
    """Return the record of the latest run, None where there is none or it is not one of ours."""
    try:
        run = msgspec.json.decode((root / "run.json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return run if {"recipe", "stages"} <= run.keys() else None


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of what can change a result, and earmark's commit."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("earmark", "numpy", "soundfile", "soxr", "torch", "scikit-learn", "spacy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    if commit := source_commit():
        found["commit"] = commit
    return found


@functools.cache
def source_commit() -> str | None:
    """Return the git commit that earmark runs from, "-dirty" where files differ from it.

    None where it is an installed package, or git is not there.
    """
    git = ["git", "-C", str(Path(__file__).parent)]
    tracked = [*git, "ls-files", "--error-unmatch", Path(__file__).name]
    described = [*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        # An installed copy may lie inside somebody else's repository: it is not tracked there.
        subprocess.run(tracked, check=True, capture_output=True)
        found = subprocess.run(described, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _format_json(data: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n"

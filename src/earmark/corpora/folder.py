"""Any folder of audio files, at any depth: each file is listed under its relative path."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from earmark.audio import AUDIO_SUFFIXES
from earmark.config import Config, ConfigError
from earmark.corpora.base import Corpus, escape_name, is_utf8, listing_digest, require_path
from earmark.records import Rejected, Source
from earmark.tables import count_rejections
from earmark.workspace import is_workspace

FolderId = tuple[int, int]
"""Device and inode: what two names of one folder have in common."""


class FolderConfig(Config, frozen=True, kw_only=True, tag="folder", tag_field="kind"):
    """Every audio file under a folder, at any depth.

    Args:
        path: the folder; a relative one is taken from where earmark runs.
        follow_links: go into links to folders, each folder once. Links to files always count as
            the files that they lead to.
    """

    path: str
    follow_links: bool = True

    def build(self) -> Corpus:
        """Return the corpus.

        Raises:
            ConfigError: the path does not exist or is not a folder.
        """
        root = require_path(Path(self.path), "corpus.path")
        if not root.is_dir():
            raise ConfigError(
                f"corpus.path: {root} is a file, not a folder. For a CSV or JSONL table of clips "
                'write kind = "table".'
            )
        return FolderCorpus(root, self.follow_links)


@dataclass(frozen=True)
class FolderCorpus(Corpus):
    """The audio files under `root`, folder by folder, sorted by name in each.

    Every other entry is a Rejected row with stage "corpus" and one of these reasons:

    - "not audio": another suffix than `earmark.audio.AUDIO_SUFFIXES`, in any case;
    - "hidden": its name starts with a dot; a hidden folder is one row, and is not looked into;
    - "name not UTF-8": tables could not hold it; again, a folder is one row;
    - "unreadable folder", "unreadable link": the system's own words are in the detail;
    - "link loop": a link that leads to a folder which holds it;
    - "link not followed": a link to a folder, where `follow_links` is off;
    - "listed already": a folder that a link has shown under another name.

    Workspaces of earmark are passed over: they are its own output.
    """

    root: Path
    follow_links: bool

    def fingerprint(self) -> str:
        """Return a digest of the listing with each audio file's size and modification time."""
        return listing_digest(self._found())

    def rows(self, folder: Path) -> Iterator[Source | Rejected]:
        """Yield a row for each file; raises ConfigError where not one of them is audio."""
        return self._found()

    def _found(self) -> Iterator[Source | Rejected]:
        rejected: list[Rejected] = []
        empty = True
        for row in _walk(self.root, self.follow_links):
            empty = empty and isinstance(row, Rejected)
            if empty and isinstance(row, Rejected):
                rejected.append(row)
            yield row
        if empty:
            raise ConfigError(_no_audio_message(self.root, rejected))


@dataclass(frozen=True)
class _Entry:
    """A file or folder; `name` is its path below the root, with slashes."""

    path: str
    name: str
    is_folder: bool
    is_link: bool
    identity: FolderId


def _walk(root: Path, follow_links: bool) -> Iterator[Source | Rejected]:
    seen: dict[FolderId, str] = {_folder_id(os.stat(root)): ""}
    # A stack of open folders rather than recursion: trees can be deeper than Python's stack.
    open_folders = [iter(_list_entries(str(root), ""))]
    while open_folders:
        entry = next(open_folders[-1], None)
        if entry is None:
            open_folders.pop()
        elif isinstance(entry, Rejected):
            yield entry
        elif not entry.is_folder:
            yield _file_row(entry)
        elif refusal := _skip_folder(entry, seen, follow_links):
            yield refusal
        elif not is_workspace(Path(entry.path)):
            seen[entry.identity] = entry.name
            open_folders.append(iter(_list_entries(entry.path, entry.name + "/")))


def _list_entries(folder: str, prefix: str) -> Iterator[_Entry | Rejected]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield _rejected(prefix or "./", "unreadable folder", error.strerror or "")
        return
    for entry in entries:
        name = prefix + entry.name
        if not is_utf8(entry.name):
            detail = "rename it, for example with: convmv -r -f latin1 -t utf8 --notest"
            yield _rejected(escape_name(name), "name not UTF-8", detail)
        elif entry.name.startswith("."):
            yield _rejected(name, "hidden", "names with a leading dot are passed over")
        else:
            yield _read_entry(entry, name)


def _read_entry(entry: os.DirEntry[str], name: str) -> _Entry | Rejected:
    try:
        is_folder = entry.is_dir()
        identity = _folder_id(entry.stat()) if is_folder else (0, 0)
    except OSError as error:
        reason = "link loop" if error.errno == errno.ELOOP else "unreadable link"
        return _rejected(name, reason, error.strerror or "")
    return _Entry(entry.path, name, is_folder, entry.is_symlink(), identity)


def _file_row(entry: _Entry) -> Source | Rejected:
    suffix = os.path.splitext(entry.name)[1]
    if suffix.lower() in AUDIO_SUFFIXES:
        return Source(path=entry.path, name=entry.name)
    return _rejected(entry.name, "not audio", suffix or "no suffix")


def _skip_folder(entry: _Entry, seen: dict[FolderId, str], follow_links: bool) -> Rejected | None:
    """Return why a folder is not gone into, or None."""
    folder = entry.name + "/"
    if entry.identity in seen:
        first = seen[entry.identity]
        if not first or folder.startswith(first + "/"):
            return _rejected(folder, "link loop", f"leads back to {first or 'the root'}")
        return _rejected(folder, "listed already", f"the same folder as {first}")
    if entry.is_link and not follow_links:
        return _rejected(folder, "link not followed", os.path.realpath(entry.path))
    return None


def _rejected(name: str, reason: str, detail: str) -> Rejected:
    return Rejected(id=name, stage="corpus", reason=reason, detail=escape_name(detail))


def _folder_id(status: os.stat_result) -> FolderId:
    return status.st_dev, status.st_ino


def _no_audio_message(root: Path, rejected: list[Rejected]) -> str:
    suffixes = ", ".join(sorted(AUDIO_SUFFIXES))
    if not rejected:
        return f"{root} is empty. Files that end in {suffixes} are looked for."
    reasons = count_rejections(rejected)
    counts = ", ".join(f"{count} {key.removeprefix('corpus: ')}" for key, count in reasons.items())
    examples = ", ".join(row.id for row in rejected[:3])
    return (
        f"{root} holds no audio. Files that end in {suffixes} are looked for; "
        f"found: {counts} ({examples}{', ...' if len(rejected) > 3 else ''})."
    )

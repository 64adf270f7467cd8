"""Files that appear whole or not at all, file stamps and hashes, and locks."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import msgspec

from earmark.config import ConfigError

HASH_BLOCK_BYTES = 1 << 20


class FileStamp(msgspec.Struct, frozen=True, kw_only=True):
    """Tells whether a file has changed: its size, and its modification time in ns."""

    bytes: int
    modified_ns: int


def file_stamp(path: str | Path) -> FileStamp:
    """Return the stamp of a file; raises OSError, or ValueError for a null byte in the name."""
    status = os.stat(path)
    return FileStamp(bytes=status.st_size, modified_ns=status.st_mtime_ns)


def temporary_path(path: Path) -> Path:
    """Return a name beside `path` that no other process has, on any machine with the folder."""
    return path.with_name(f"{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")


def replace_file(temporary: Path, path: Path) -> None:
    """Give a finished file its name; what bears the name is whole, even after a power cut."""
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name itself is on the disk before anything that relies on it
    finally:
        os.close(folder)


@contextlib.contextmanager
def file_lock(path: Path, *, wait: bool = False) -> Generator[None]:
    """Hold a lock file, in which the holder's name stands; the system frees it with the process.

    Raises:
        ConfigError: another process holds it and `wait` is false, or it cannot be written.
    """
    try:
        lock = open(path, "a+")  # noqa: SIM115 - closed below
    except OSError as error:
        raise ConfigError(f"cannot write to {path.parent}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            what = path.parent if path.name == "lock" else path.with_suffix("")
            if not wait:
                raise ConfigError(f"{what} is being written by {holder}.") from None
            print(f"waiting for {holder}, which writes {what}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        yield


def write_text(path: Path, text: str) -> None:
    """Write a small text file so that a crash leaves either the old or the new one."""
    temporary = temporary_path(path)
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def hash_file(path: str | Path) -> str:
    """Return the first 32 hex digits of the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()[:32]

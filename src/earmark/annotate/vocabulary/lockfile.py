"""The vocabulary's lock file: its rows, how it is written and read, and its checks on itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from earmark.annotate.vocabulary.config import DOMAINS, Domain, VocabularyConfig
from earmark.annotate.vocabulary.decisions import ResolvedDecisions
from earmark.annotate.vocabulary.scores import SCORE_DECIMALS, score_tag
from earmark.config import ConfigError, fingerprint
from earmark.io import write_text

LOCK_FORMAT = "earmark vocabulary 3"

Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class VocabularyEntry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A tag of the vocabulary; its class id is `rank` - 1.

    Args:
        rank: from 1, best first.
        tag: as it is counted and as models name it.
        df: how many captions hold it in any of its forms; 0 in a list of labels, which has none.
        score: what it was ranked by.
        domain: what it is heard in more than elsewhere; "" where nobody counted.
        aliases: other forms in which captions wrote it, and how many captions wrote each.
    """

    rank: int
    tag: str
    df: Count
    score: float
    domain: Domain | Literal[""] = ""
    aliases: dict[str, Count] = {}


class AppliedDecisions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people decided of the tags, as far as it made this vocabulary; see `ResolvedDecisions`.

    Names are as the settings' steps leave them, and each merge or rename leads to where the last of
    its chain ends: one look settles a tag.
    """

    merge: dict[str, str] = {}
    rename: dict[str, str] = {}
    ban: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @staticmethod
    def of(verdicts: ResolvedDecisions) -> AppliedDecisions:
        """Take over what decisions came to, in a stable order; a spelling of a tag is a merge."""
        spellings, moved = verdicts.spellings, verdicts.moved
        banned = {name for name, tag in spellings.items() if tag in verdicts.ban}
        spelled = {name: moved.get(tag, tag) for name, tag in spellings.items()}
        merge = {name: end for name, end in spelled.items() if name not in banned}
        merge |= verdicts.moved_by("merge")
        return AppliedDecisions(
            merge=dict(sorted(merge.items())),
            rename=verdicts.moved_by("rename"),
            ban=tuple(sorted(verdicts.ban | banned)),
            keep=tuple(sorted(verdicts.keep)),
        )


class ProvenanceSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file or table whose captions were counted, and its rows."""

    name: str
    rows: Count


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the counts came from.

    It is told apart from the fingerprint: the same counts from other files are the same vocabulary.
    `counts` is a digest of the counts of all tags as written.
    """

    sources: tuple[ProvenanceSource, ...] = ()
    counts: str = ""


class LockFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lock file as it is written, key by key."""

    format: str
    fingerprint: str
    captions: Count
    settings: VocabularyConfig
    normalizer: Count
    decisions: AppliedDecisions
    provenance: Provenance
    entries: tuple[VocabularyEntry, ...]

    def content_fingerprint(self) -> str:
        """Return 12 hex digits over what governs the tags, their order and how others fold to them.

        Left out are provenance, paths, and the sizes that were asked for: the same 800 tags are the
        same vocabulary, whatever else was written beside it.
        """
        settings = self.settings
        rules = (
            settings.steps,
            settings.aliases,
            settings.score,
            settings.min_df,
            settings.min_share,
        )
        return fingerprint(
            LOCK_FORMAT, self.captions, self.normalizer, rules, self.decisions, self.entries
        )


def write_lockfile(path: Path, lock: LockFile) -> None:
    """Write a lock file: JSON, one entry and one source a line, so that two can be compared.

    Raises:
        ConfigError: it would contradict itself and could not be read again.
    """
    if why := next(find_contradictions(lock), None):
        raise ConfigError(
            f"{path} is not written, because it would contradict itself: {why}. Where decisions or "
            "aliases give a tag the name that another tag had, give one of the two another name."
        )
    header = {
        name: _encode_json(getattr(lock, name))
        for name in ("format", "fingerprint", "captions", "settings", "normalizer", "decisions")
    }
    header["provenance"] = (
        f'{{"counts": {_encode_json(lock.provenance.counts)}, '
        f'"sources": {_json_lines(lock.provenance.sources)}}}'
    )
    lines = [f'  "{key}": {value},' for key, value in header.items()]
    lines.append(f'  "entries": {_json_lines(lock.entries)}')
    write_text(path, "\n".join(["{", *lines, "}"]) + "\n")


def read_lockfile(path: Path) -> LockFile:
    """Read and check a lock file.

    Raises:
        ConfigError: there is none, it is of another format, or it was edited; the message says
            where it contradicts itself.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"no vocabulary at {path}; make one: earmark vocabulary") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    try:
        lock = _decode_lockfile(content, path)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a vocabulary lock file: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path} is not a vocabulary lock file: nested too deeply") from None
    if why := next(chain(find_contradictions(lock), _check_fingerprint(lock)), None):
        raise ConfigError(
            f"{path} was edited or damaged: {why}. A vocabulary is frozen, because models are "
            "trained on its ids: restore the file, or make another with the vocabulary stage."
        )
    return lock


class _Header(msgspec.Struct):
    """As much of any version's lock file as tells its version."""

    format: str


def _decode_lockfile(content: bytes, path: Path) -> LockFile:
    written = msgspec.json.decode(content, type=_Header).format
    if written != LOCK_FORMAT:
        raise ConfigError(
            f"{path}: its format is {written!r}, this version of earmark reads "
            f"{LOCK_FORMAT!r}. Make it anew (earmark vocabulary), or read it with the version of "
            "earmark that wrote it."
        )
    return msgspec.json.decode(content, type=LockFile)


def find_contradictions(lock: LockFile) -> Iterator[str]:
    """Yield where a lock file does not agree with itself, in words, from its first entry on."""
    if not lock.entries:
        yield "it has no entries, so it names no tags"
    seen = set[str]()
    for position, entry in enumerate(lock.entries, start=1):
        if entry.rank != position:
            yield f"entry {position} ({entry.tag!r}) has rank {entry.rank}"
        if not entry.tag:
            yield f"entry {position} has an empty tag"
        if entry.tag in seen:
            yield f"{entry.tag!r} is there twice"
        seen.add(entry.tag)
        yield from _check_counts(entry, lock) if lock.captions else _check_uncounted(entry)
    yield from _check_aliases(lock, seen)


def _check_fingerprint(lock: LockFile) -> Iterator[str]:
    found = lock.content_fingerprint()
    if found != lock.fingerprint:
        yield f"its content has the fingerprint {found}, its header {lock.fingerprint}"


def _check_uncounted(entry: VocabularyEntry) -> Iterator[str]:
    """A list of labels has 0 captions, and so nothing in it is counted."""
    if entry.df or entry.score or entry.aliases:
        yield f"{entry.tag!r} was counted, but there are 0 captions"


def _check_counts(entry: VocabularyEntry, lock: LockFile) -> Iterator[str]:
    if not 1 <= entry.df <= lock.captions:
        yield f"{entry.tag!r} has df {entry.df}, but there are {lock.captions} captions"
        return
    expected = score_tag(lock.settings.score, entry.df, lock.captions)
    if expected is None and entry.score < 0:
        yield f"{entry.tag!r} has score {entry.score}, but none is below 0"
    if expected is not None and abs(entry.score - expected) > 2 * 10**-SCORE_DECIMALS:
        yield f"{entry.tag!r} has score {entry.score}, which its df does not give"
    if not entry.domain:
        yield f"{entry.tag!r} has no domain; one of {', '.join(DOMAINS)} was expected"


def _check_aliases(lock: LockFile, tags: Collection[str]) -> Iterator[str]:
    owners = dict[str, str]()
    for entry in lock.entries:
        for alias, count in entry.aliases.items():
            if alias in tags:
                yield f"{alias!r} is an alias of {entry.tag!r}, but a tag as well"
            if alias in owners:
                yield f"{alias!r} is an alias of both {owners[alias]!r} and {entry.tag!r}"
            if not 1 <= count <= entry.df:
                tag = f"its tag {entry.tag!r} has df {entry.df}"
                yield f"{alias!r} is in {count} captions, but {tag}"
            owners[alias] = entry.tag


def _json_lines(items: tuple[Any, ...]) -> str:
    """Return a JSON list with one item a line."""
    if not items:
        return "[]"
    return "[\n" + ",\n".join(f"    {_encode_json(item)}" for item in items) + "\n  ]"


def _encode_json(value: Any) -> str:
    """Return JSON on one line, with a space after each comma and colon."""
    encoded = msgspec.json.encode(value, order="deterministic")
    return msgspec.json.format(encoded, indent=0).decode()

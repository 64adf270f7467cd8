"""Proposals into the decisions file that people edit; what people wrote stays, letter by letter."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import tomli_w

from earmark.annotate.vocabulary.decisions import Proposal, decide, parse, read_text
from earmark.workspace import write_text

HEAD = """\
# What people decided of the tags of this corpus. Edit it, then build the vocabulary again with
# vocabulary.decisions = "<this file>". It is never undone: a rebuild reads it, and a new list of
# proposals replaces only those that nobody has decided.
#
# In each [[proposal]] below, two tags may mean the same. Write
#   decision = "accept"   to count `tag` as `into`
#   decision = "reject"   to keep them apart; the pair is not proposed again
# and leave "" where you do not know. The numbers after a tag are the captions that hold it.

# Tags that never become classes: ban = ["untitled"]
ban = []

# Tags that become classes however rare they are: keep = ["theremin"]
keep = []

# Merges of your own: reverberant = "reverb"
[merge]

# New names: "hi-fi" = "high-fidelity"
[rename]
"""

_TABLE = re.compile(r"^(?=(?:[ \t]*#.*\n)*[ \t]*\[)", re.MULTILINE)
_PROPOSAL = re.compile(r"[ \t]*\[\[[ \t]*proposal[ \t]*\]\]")


def write_proposals(path: Path, proposals: Iterable[Proposal]) -> None:
    """Put proposals into a decisions file in place of those that nobody has decided.

    The file is made where there is none. Of one that is there, everything stays but its undecided
    proposals. A pair that it decides is not written again.

    Raises:
        ConfigError: the file is no decisions file, or contradicts itself.
    """
    text = read_text(path) if path.exists() else HEAD
    file = parse(text, str(path))
    decide(file, str(path))
    decided = {frozenset((p.tag, p.into)) for p in file.proposal if p.decision}
    new = [p for p in proposals if frozenset((p.tag, p.into)) not in decided]
    kept = "".join(_decided(text)).rstrip("\n")
    tables = [f"[[proposal]]\n{tomli_w.dumps(msgspec.to_builtins(proposal))}" for proposal in new]
    write_text(path, "\n\n".join([kept, *(table.strip("\n") for table in tables)]) + "\n")


def _decided(text: str) -> Iterator[str]:
    """Yield the parts of a decisions file, cut before each table, without undecided proposals."""
    for part in _TABLE.split(text):
        if not _PROPOSAL.match(part) or tomllib.loads(part)["proposal"][0].get("decision"):
            yield part

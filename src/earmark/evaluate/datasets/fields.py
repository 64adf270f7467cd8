"""What a clip's fields say: single values, several, and templates filled from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from earmark.corpora.table_reader import texts
from earmark.evaluate.datasets.broken import no_field

Fields = Mapping[str, Any]
"""The cells of a clip's row, the groups of its name, and what was joined."""

_SLOT = re.compile(r"\{([^{}:]+)(?::(\d+))?\}")


class UnusableError(Exception):
    """A row that cannot be used; `reason` is a short fixed word for counting."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def several(name: str, fields: Fields, where: str) -> tuple[str, ...]:
    """Return the texts of a field, none where it is blank.

    Raises:
        BrokenCopyError: there is no such field.
        UnusableError: it holds what no text can be made of.
    """
    if name not in fields:
        raise no_field(name, fields, where)
    try:
        return texts(fields[name])
    except ValueError:
        raise UnusableError("broken row") from None


def single(name: str, fields: Fields, where: str) -> str:
    """Return the text of a field, "" where it is blank; raises as `several`."""
    found = several(name, fields, where)
    if len(found) > 1:
        raise UnusableError("broken row")
    return found[0] if found else ""


def filled(template: str, fields: Fields, where: str) -> str:
    """Return a template with each "{field}" in place, "{field:6}" with six digits.

    It is "" where one of the fields is blank. Raises as `several`.
    """
    values = {name: single(name, fields, where) for name, _ in _SLOT.findall(template)}
    if not all(values.values()):
        return ""
    return _SLOT.sub(lambda slot: values[slot[1]].zfill(int(slot[2] or 0)), template)

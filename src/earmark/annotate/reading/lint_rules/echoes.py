"""Answers that repeat what the model was told: chat templates, roles and instructions."""

from __future__ import annotations

import re

ECHO_WORDS = 8
"""So many of the instruction's words in a row are no coincidence."""

_TEMPLATE = re.compile(
    r"<\|[A-Za-z_]{2,24}\|>|</?(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|</?s>|<think>"
)
_ROLE = re.compile(
    r"(?:system|user|human|assistant|model)\s*(?::|\n)|###\s*(?:instruction|human|user)"
)
_COMMAND = re.compile(
    r"(?:please\s+)?(?:listen\s+(?:carefully\s+)?to|describe|caption|transcribe|analy[sz]e"
    r"|summari[sz]e|provide|generate|write)\s+(?:(?:what|all|everything|the|this|a|an|your|me|for"
    r"|following|given|provided|attached|short|brief|detailed|comprehensive|and)\s+)*"
    r"(?:audio|sounds?|clip|recording|captions?|descriptions?|you\s+(?:can\s+)?hear)\b"
)
_WORD = re.compile(r"\w+")


def echoes(text: str, instruction: str) -> bool:
    """Whether the answer holds the template's marks, a role, or what the model was asked."""
    if _TEMPLATE.search(text):
        return True
    start = text[:200].lstrip("\"'“‘*_#> ").lower()
    if _ROLE.match(start) or _COMMAND.match(start):
        return True
    asked = _WORD.findall(instruction.lower())
    if not asked:
        return False
    said = f" {' '.join(_WORD.findall(text.lower()))} "
    if len(asked) < ECHO_WORDS:
        return said.startswith(f" {' '.join(asked)} ")
    runs = (asked[first : first + ECHO_WORDS] for first in range(len(asked) - ECHO_WORDS + 1))
    return any(f" {' '.join(run)} " in said for run in runs)

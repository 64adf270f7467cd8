"""ROUGE-L of captions: the longest common subsequence (Lin 2004, "ROUGE: A Package for Automatic
Evaluation of Summaries", section 3).
"""

from __future__ import annotations

from collections.abc import Sequence

BETA = 1.2
"""How much more recall counts than precision, as in the evaluation of COCO (arXiv 1504.00325)."""

Words = tuple[str, ...]


def rouge_l(candidate: Words, references: Sequence[Words]) -> float:
    """Return ROUGE-L of one caption, 0 to 1.

    (1 + b^2) P R / (R + b^2 P), where of several references the best precision P = LCS / words of
    the candidate and the best recall R = LCS / words of the reference count, as in COCO's.
    """
    if not candidate:
        return 0.0
    common = [(common_subsequence(candidate, words), len(words)) for words in references]
    precision = max(shared / len(candidate) for shared, _ in common)
    recall = max(shared / max(length, 1) for shared, length in common)
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_subsequence(first: Words, second: Words) -> int:
    """Return the length of the longest common subsequence."""
    above = [0] * (len(second) + 1)
    for word in first:
        row = [0]
        for place, other in enumerate(second):
            row.append(above[place] + 1 if word == other else max(row[-1], above[place + 1]))
        above = row
    return above[-1]

"""The vocabulary as plain scripts make it: a pass over the JSONL to count, and one for each size.

`json.loads` a line, a Counter of each row's tags, the paper's score (section 3.2), the best K; then
for each K every row is read again, and written again with those of its tags that are among the K.
One process, the standard library alone.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path


def build_and_filter(
    source: Path, sizes: Sequence[int], folder: Path, rows: int
) -> dict[int, list[str]]:
    """Return the tags of each size after filtering the first `rows` rows to each.

    What is written is deleted again, so that the disk need not hold five copies of the source.
    """
    ranked = rank(source, rows)
    for size in sizes:
        target = folder / f"filtered_{size}.jsonl"
        filter_rows(source, set(ranked[:size]), target, rows)
        target.unlink()
    return {size: ranked[:size] for size in sizes}


def rank(source: Path, rows: int) -> list[str]:
    """Return all tags, best score first, equal scores by the alphabet."""
    frequencies, captions = Counter[str](), 0
    with open(source, encoding="utf-8") as file:
        for line in islice(file, rows):
            frequencies.update(set(json.loads(line)["tags"]))
            captions += 1
    scores = {
        tag: round(df * math.log((captions + 1) / (df + 1)), 6) for tag, df in frequencies.items()
    }
    return sorted(scores, key=lambda tag: (-scores[tag], tag))


def filter_rows(source: Path, vocabulary: Collection[str], target: Path, rows: int) -> None:
    with open(source, encoding="utf-8") as file, open(target, "w", encoding="utf-8") as out:
        for line in islice(file, rows):
            row = json.loads(line)
            row["tags"] = [tag for tag in row["tags"] if tag in vocabulary]
            if row["tags"]:
                out.write(json.dumps(row, ensure_ascii=False) + "\n")

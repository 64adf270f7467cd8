"""Golden lock files. To write them anew, after raising lock_file.FORMAT:

python tests/unit/annotate/vocabulary/golden_locks.py
"""

from __future__ import annotations

from pathlib import Path

from plain_counts import CORPUS, vocabulary_of

from earmark.annotate.vocabulary.config import Domain, VocabularyConfig
from earmark.annotate.vocabulary.lockfile import (
    AppliedDecisions,
    Provenance,
    ProvenanceSource,
    VocabularyEntry,
)
from earmark.annotate.vocabulary.scores import score_tag
from earmark.annotate.vocabulary.vocabulary import Vocabulary

FOLDER = Path(__file__).parent / "golden"
COMMAND = "python tests/unit/annotate/vocabulary/golden_locks.py"


def entry(rank: int, tag: str, df: int, domain: Domain, **aliases: int) -> VocabularyEntry:
    score = score_tag("paper", df, 101)
    assert score is not None
    return VocabularyEntry(
        rank=rank, tag=tag, df=df, score=score, domain=domain, aliases=dict(aliases)
    )


GOVERNED = Vocabulary(
    (
        entry(1, "café", 1, "sound"),
        entry(2, "speech", 40, "speech"),
        entry(3, "drum", 30, "music", drums=12, Drum=3),
        entry(4, "reverb", 4, "music", reverberant=2),
    ),
    captions=101,
    settings=VocabularyConfig(size=4, min_share={"music": 0.25}),
    normalizer=1,
    decisions=AppliedDecisions(
        merge={"reverberant": "reverb"}, rename={"tabour": "drum"}, ban=("sound",), keep=("café",)
    ),
    provenance=Provenance(
        sources=(
            ProvenanceSource(name="a.jsonl", rows=60),
            ProvenanceSource(name="b.jsonl", rows=41),
        ),
        counts="0123456789ab",
    ),
)

LOCKS = {
    "paper.json": vocabulary_of(CORPUS).first(8),
    "governed.json": GOVERNED,
    "labels.json": Vocabulary.from_labels(["speech", "high-fidelity", "high_fidelity", "rain"]),
}


if __name__ == "__main__":
    for name, vocabulary in LOCKS.items():
        vocabulary.save(FOLDER / name)
        print(f"wrote {FOLDER / name}")

"""Which words of a caption are its tags: the lexical tagger against a language model.

    pytest -m llm -s tests/llm/test_parser_study.py

prints the table of docs/results.md, some five minutes. The captions are what people wrote for
AudioCaps, Clotho and MusicCaps; for MusicCaps people also wrote tags, which both are scored by.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from llm_server import MODEL, UNSET, VARIABLE, language_model
from test_llm_tagger import THREE_EXAMPLES

from earmark.annotate.audit.captions import audit_captions
from earmark.annotate.audit.config import AuditConfig, TextSource
from earmark.annotate.audit.results import TaggerScore
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.lexical.backend import LexicalConfig
from earmark.annotate.jobs.local import LocalRunnerConfig

pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(VARIABLE not in os.environ, reason=UNSET),
    pytest.mark.skipif(
        "EARMARK_PACK" not in os.environ,
        reason="EARMARK_PACK is not set: the captions are not part of the repository",
    ),
]

ROWS, SAMPLE = 100, 50
SOURCES = {
    "AudioCaps": "audiocaps_train.jsonl",
    "Clotho": "clotho_development.jsonl",
    "MusicCaps": "musiccaps_train.jsonl",
}


def drawn(name: str, folder: Path) -> TextSource:
    """Cut a source to rows that are drawn, so that minutes are enough for it."""
    whole = Path(os.environ["EARMARK_PACK"]) / "captions" / SOURCES[name]
    lines = random.Random(0).sample(whole.read_text("utf-8").splitlines(), ROWS)
    path = folder / whole.name
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return TextSource(name=name, path=str(path), labels="human_tags" if name == "MusicCaps" else "")


def table(scores: tuple[TaggerScore, ...]) -> str:
    """Return the table for docs/results.md."""
    lines = ["| source | tagger | captions | tags | distinct | grounded | same | F1 |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in scores:
        f1 = f"{row.f1:.2f} [{row.f1_low:.2f}, {row.f1_high:.2f}]" if row.f1 == row.f1 else ""
        lines.append(
            f"| {row.source} | {row.tagger} | {row.captions} | {row.tags_mean:.1f} | "
            f"{row.distinct} | {row.grounded:.2f} | {row.same:.2f} | {f1} |"
        )
    return "\n".join(lines)


def test_both_taggers_read_the_same_captions(tmp_path: Path) -> None:
    with language_model(os.environ[VARIABLE], tmp_path) as model:
        config = AuditConfig(
            texts=tuple(drawn(name, tmp_path) for name in SOURCES),
            against=EndpointConfig(
                urls=(model.url,),
                model=MODEL,
                instruction=THREE_EXAMPLES,
                temperature=0,
                max_tokens=128,
                concurrency=1,
            ),
            sample=SAMPLE,
        )
        folder = tmp_path / "audit"
        folder.mkdir()
        where = LocalRunnerConfig()
        found = audit_captions(config, LexicalConfig(workers=1), where, None, folder, seed=0)
    print(f"\n\n{table(found.parsers)}\n")
    assert len(found.parsers) == 2 * len(SOURCES)
    for row in found.parsers:
        assert row.captions == SAMPLE
        assert row.unreadable <= 0.1 * SAMPLE
        assert 0 < row.same < 1
    lexical = [row for row in found.parsers if row.tagger == "lexical"]
    assert min(row.grounded for row in lexical) > 0.9, "what it writes stands in the caption"

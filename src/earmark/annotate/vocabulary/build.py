"""From files of tags to the files of a vocabulary."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from earmark.annotate.vocabulary.chosen import choose_vocabulary
from earmark.annotate.vocabulary.config import VocabularyConfig
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.annotate.vocabulary.counting.filter import write_filtered
from earmark.annotate.vocabulary.formats import write_labels
from earmark.annotate.vocabulary.frozen import take_vocabulary
from earmark.annotate.vocabulary.locking.opening import LOCK
from earmark.annotate.vocabulary.result import Made
from earmark.annotate.vocabulary.vocabulary import Vocabulary
from earmark.records import Rejected, write_parquet

UNREAD = "unread.parquet"
"""Rows of the sources that could not be counted, as `Rejected`; a stage's counts are of tags."""
CACHE = "counted"
"""The folder beside a lock file where what was counted is kept for the next build."""


def build_vocabulary(tag_sets: Iterable[Sequence[str]], config: VocabularyConfig) -> Vocabulary:
    """Return the vocabulary of tag lists in memory, one list a caption.

    The order of captions, and of tags in them, has no influence, and a smaller vocabulary is the
    beginning of a larger one.

    Raises:
        ConfigError: a setting is out of range, or no tag is frequent enough.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = make(TagCorpus.of(tag_sets, Path(folder)), config)
    return made.largest.first(made.size)


def write_vocabulary(
    sources: Sequence[Path],
    config: VocabularyConfig,
    folder: Path,
    *,
    filtered: bool = False,
    workers: int = 0,
    cache: Path | None = None,
) -> dict[str, int]:
    """Make the vocabulary of `sources` and write it into `folder`; returns counts of tags.

    Files: vocabulary.json (the lock file), label_<K>.txt and id2label_<K>.json, facts.json and
    unread.parquet; for each of `config.sizes` also vocabulary_<K>.json. With `filtered`, the
    tags of every caption that each size keeps (tags_<K>/).

    Args:
        sources: files of rows, see `sources`.
        config: what is chosen.
        folder: where the files go; it must be there.
        filtered: whether to write filtered tags.
        workers: threads; 0 means one for each core. The result does not depend on it.
        cache: keeps what was counted of each source for the next build; nowhere where None.

    Raises:
        ConfigError: a setting is out of range, a file cannot be read, or no tag is frequent enough.
    """
    with _encoded(folder, cache) as encoded:
        corpus = TagCorpus.encode(sources, encoded, workers=workers)
        made = make(corpus, config)
        write_parquet(folder / UNREAD, corpus.rejected(), Rejected)
        _write(made, config, folder)
        if filtered:
            write_filtered(corpus, made.rank, made.largest.tags, made.sizes, folder)
    given = len(corpus.terms)
    return {"in": given, "out": given - sum(made.lost.values()), **made.lost}


def make(corpus: TagCorpus, config: VocabularyConfig) -> Made:
    """Return the vocabulary of a corpus, by settings that were checked."""
    return take_vocabulary(corpus, config) if config.frozen else choose_vocabulary(corpus, config)


@contextlib.contextmanager
def _encoded(folder: Path, cache: Path | None) -> Generator[Path]:
    """Give the folder that sources are encoded into; without a `cache` it is gone afterwards."""
    if cache is not None:
        yield cache
        return
    passing = folder / f"{CACHE}.tmp"
    shutil.rmtree(passing, ignore_errors=True)  # a build that was killed left it
    try:
        yield passing
    finally:
        shutil.rmtree(passing, ignore_errors=True)


def _write(made: Made, config: VocabularyConfig, folder: Path) -> None:
    for size in made.sizes:
        vocabulary = made.largest.first(size)
        write_labels(vocabulary.tags, folder, size)
        if size == made.size:
            vocabulary.save(folder / LOCK)
        if size in config.sizes:
            vocabulary.save(folder / f"vocabulary_{size}.json")
    made.facts.save(folder)

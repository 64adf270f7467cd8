"""Tags and AudioSet classes in the plane, near where they are alike (extra `map`).

t-SNE (van der Maaten & Hinton, JMLR 2008) keeps neighbours; distances between clusters mean
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64

from earmark.annotate.audit.meaning import embed_names
from earmark.annotate.audit.names import alternatives, words_of
from earmark.annotate.audit.results import MOST_TAGS, MapPoint
from earmark.annotate.sentence_encoder import Meaning
from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError

PERPLEXITY = 30
"""About how many neighbours a point keeps; fewer where there are few points."""

LEAST_POINTS = 10


def tag_map(
    vocabulary: Vocabulary, classes: Sequence[str], meaning: Meaning, *, seed: int
) -> list[MapPoint]:
    """Return where the most frequent tags and the classes lie; equal seeds give equal maps.

    Raises:
        ConfigError: the extra is not installed, or there are too few points to be laid out.
    """
    tags = sorted(vocabulary.entries, key=lambda entry: (-entry.df, entry.tag))[:MOST_TAGS]
    points = [
        MapPoint(name=entry.tag, kind="tag", x=0.0, y=0.0, df=entry.df, domain=entry.domain)
        for entry in tags
    ]
    points += [MapPoint(name=name, kind="class", x=0, y=0, df=0, domain="") for name in classes]
    words = [words_of(entry.tag) for entry in tags]
    words += [alternatives(name)[0] for name in classes]
    places = _laid_out(embed_names(words, meaning), seed)
    return [
        MapPoint(name=p.name, kind=p.kind, x=float(x), y=float(y), df=p.df, domain=p.domain)
        for p, (x, y) in zip(points, places, strict=True)
    ]


def _laid_out(
    vectors: Float32[np.ndarray, "points dim"], seed: int
) -> Float64[np.ndarray, "points 2"]:
    if len(vectors) < LEAST_POINTS:
        raise ConfigError(
            f"the map of tags needs {LEAST_POINTS} points, but there are {len(vectors)}"
        )
    try:
        from openTSNE import TSNE
    except ImportError:
        raise ConfigError(
            "the map of tags needs openTSNE, which is not installed: pip install 'earmark[map]'"
        ) from None
    fit = TSNE(
        perplexity=min(PERPLEXITY, (len(vectors) - 1) // 3),
        metric="cosine",
        initialization="pca",
        neighbors="exact",
        n_jobs=1,
        random_state=seed,
    ).fit(vectors)
    return np.asarray(fit, dtype=np.float64)

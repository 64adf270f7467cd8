"""A vocabulary with its facts, and an audit, of any size; the content is invented."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import msgspec
import numpy as np

from earmark.annotate.audit.results import (
    AGREEMENT_FILE,
    COVERAGE_FILE,
    MAP_FILE,
    MAX_MAP_TAGS,
    STATISTICS_FILE,
    TAGGERS_FILE,
    Agreement,
    ListCoverage,
    MapPoint,
    TaggerScore,
    TagStatistics,
)
from earmark.annotate.vocabulary import DOMAINS, Vocabulary, VocabularyConfig, VocabularyEntry
from earmark.annotate.vocabulary.stats import CurvePoint, StepChange, VocabularyStats
from earmark.tables import write_parquet

MATCHES = ("exact", "lemma", "semantic")
NOUNS = """guitar piano drum voice speaker siren engine rain wind water dog bird crowd footsteps
door bell whistle violin flute choir bass synthesizer laughter applause train car aircraft thunder
insect keyboard phone clock glass metal wood narration conversation whisper shout singing melody
rhythm chord hum buzz click crackle hiss echo reverb static noise silence ambience traffic stream
wave fire hammer saw"""
MANNERS = """distant loud quiet steady bright dark muffled clear rhythmic sudden soft harsh indoor
outdoor male female young old fast slow deep high low warm cold metallic wooden electronic acoustic
natural human mechanical continuous brief repeated sustained percussive tonal broadband narrow
reverberant dry close layered sparse dense calm tense joyful sad"""


def names(count: int) -> list[str]:
    """Return so many tags: single words first, then pairs."""
    nouns, manners = NOUNS.split(), MANNERS.split()
    pairs = (f"{manner} {noun}" for noun, manner in product(nouns, manners))
    return [*nouns, *manners, *pairs][:count]


def long_tail(count: int, captions: int) -> dict[str, int]:
    """Return in how many captions each of `count` tags is, by a Zipf law."""
    return {
        name: max(int(0.55 * captions / rank**0.95), 2)
        for rank, name in enumerate(names(count), start=1)
    }


def write_vocabulary(
    frequencies: Mapping[str, int], captions: int, size: int, folder: Path
) -> dict[str, int]:
    """Write vocabulary.json and facts.json; returns the stage's counts."""
    ordered = sorted(frequencies, key=lambda tag: (-frequencies[tag], tag))
    kept = [tag for tag in ordered if frequencies[tag] > 1][:size]
    entries = tuple(
        VocabularyEntry(
            rank=rank,
            tag=tag,
            df=frequencies[tag],
            score=float(frequencies[tag]),
            domain=DOMAINS[rank % 3],
            aliases={f"{tag}s": 2, f"{tag.title()}!": 1} if rank % 4 == 0 else {},
        )
        for rank, tag in enumerate(kept, start=1)
    )
    settings = VocabularyConfig(size=size, score="frequency")
    vocabulary = Vocabulary(entries=entries, captions=captions, settings=settings)
    vocabulary.save(folder / "vocabulary.json")
    _facts(vocabulary, [frequencies[tag] for tag in ordered]).save(folder)
    lost = {"vocabulary: beyond size": len(ordered) - len(kept)}
    return {"in": len(ordered), "out": len(kept), **{k: n for k, n in lost.items() if n}}


def write_audit(tags: Mapping[str, int], folder: Path, *, classes: int = 40) -> None:
    """Write the tables of an audit."""
    rng = np.random.default_rng(11)
    labels = [f"{noun} & co." for noun in NOUNS.split()[:28]]
    fields = (("corpus", "event"), ("musiccaps", "aspects"), ("<i>ESC-50</i>", "category"))
    agreements = [
        _agreement(rng, source, field, match, kind, group)
        for (source, field), match in product(fields, MATCHES)
        for kind, groups in (("all", ["all"]), ("domain", DOMAINS), ("label", labels))
        for group in groups
    ]
    write_parquet(folder / AGREEMENT_FILE, agreements, Agreement)
    write_parquet(folder / COVERAGE_FILE, _coverage(labels), ListCoverage)
    write_parquet(
        folder / STATISTICS_FILE,
        [_shape("corpus", "lexical"), _shape("clotho", "llm")],
        TagStatistics,
    )
    parsers = [_parser("clotho", "lexical", 0.31), _parser("clotho", "llm", float("nan"))]
    write_parquet(folder / TAGGERS_FILE, parsers, TaggerScore)
    drawn = dict(sorted(tags.items(), key=lambda pair: -pair[1])[:MAX_MAP_TAGS])
    write_parquet(folder / MAP_FILE, _map(rng, drawn, classes), MapPoint)
    notes = ["Clotho has no labels: only its shape is told.", "<b>300</b> captions were sampled."]
    (folder / "notes.json").write_bytes(msgspec.json.encode(notes))


def _facts(vocabulary: Vocabulary, folded: list[int]) -> VocabularyStats:
    captions, size = vocabulary.captions, len(vocabulary)
    of_five = size // 5
    written = sorted([*folded, *([1] * len(folded))], reverse=True)
    sizes = sorted({size, *np.geomspace(1, len(folded), 60).astype(int).tolist()})
    curve = tuple(
        CurvePoint(
            size=k,
            positives=folded[k - 1],
            clips=float(1 - np.exp(-k / (0.12 * size))),
            uses=float(sum(folded[:k]) / sum(written)),
            tags_a_clip=0.9 * sum(folded[:k]) / captions,
        )
        for k in sizes
    )
    return VocabularyStats(
        captions=captions,
        uses=sum(written) + 42,
        written=tuple(written),
        folded=tuple(folded),
        changes=(
            StepChange(step="unicode", tags=0, uses=0),
            StepChange(step="case", tags=1203, uses=5410, examples=(("Guitar", "guitar"),)),
            StepChange(
                step="separators",
                tags=377,
                uses=9120,
                examples=(("high_fidelity", "high-fidelity"), ("<u>lo fi</u>", "lo-fi")),
            ),
            StepChange(step="decisions", tags=2, uses=77, examples=(("reverb", "reverberant"),)),
        ),
        unread={"tags are not a list": 17},
        dropped={"empty": 3, "too long": 9, "banned": 30},
        captions_by_domain={name: captions // part for part, name in enumerate(DOMAINS, start=2)},
        tags_by_domain={"speech": of_five, "music": of_five, "sound": size - 2 * of_five},
        uses_by_domain={"speech": 3 * size, "music": 2 * size, "sound": 5 * size},
        curve=curve,
        chosen=f"{size}: asked for, of {len(folded)} tags that qualify",
        unsupported=('keep "theremin": no caption holds it any more.',),
    )


def _agreement(
    rng: np.random.Generator, source: str, field: str, match: str, kind: str, group: str
) -> Agreement:
    values = 0.15 + 0.6 * rng.random(3) + 0.08 * MATCHES.index(match)
    clips = 1860 if kind == "all" else 620 if kind == "domain" else 40
    rates = {
        f"{name}{end}": float(value + shift)
        for name, value in zip(("precision", "recall", "f1"), values, strict=True)
        for end, shift in (("", 0.0), ("_low", -0.04), ("_high", 0.04))
    }
    return Agreement(
        source=source,
        field=field,
        match=match,  # pyright: ignore[reportArgumentType]
        kind=kind,  # pyright: ignore[reportArgumentType]
        group=group,
        clips=clips,
        labels=clips * 2,
        named=clips,
        **rates,
    )


def _coverage(labels: list[str]) -> list[ListCoverage]:
    return [
        ListCoverage(
            name=name, match=match, classes=classes, covered=int(share * classes), missing=missing
        )
        for name, classes in (("AudioSet", 527), ("ESC-50", 50), ("<i>FSDKaggle2018</i>", 41))
        for match, share, missing in (
            ("exact", 0.31, tuple(labels)),
            ("lemma", 0.48, tuple(labels[5:])),
            ("semantic", 0.77, tuple(labels[12:])),
        )
    ]


def _shape(source: str, tagger: str) -> TagStatistics:
    return TagStatistics(
        source=source,
        tagger=tagger,
        captions=3840,
        untagged=12,
        distinct=5120,
        uses=24100,
        tags_mean=6.3,
        tags_low=6.2,
        tags_high=6.4,
        once=0.58,
        head=0.11,
        redundant=0.07,
        speech=0.22,
        music=0.11,
        sound=0.71,
    )


def _parser(source: str, tagger: str, f1: float) -> TaggerScore:
    return TaggerScore(
        source=source,
        tagger=tagger,
        captions=300,
        unreadable=4,
        tags_mean=7.1,
        distinct=910,
        grounded=0.93,
        same=0.41,
        precision=f1,
        recall=f1,
        f1=f1,
        f1_low=f1 - 0.03,
        f1_high=f1 + 0.03,
    )


def _map(rng: np.random.Generator, tags: Mapping[str, int], classes: int) -> list[MapPoint]:
    centres = rng.normal(0, 20, (24, 2))
    spread = centres[rng.integers(0, 24, len(tags) + classes)]
    at = spread + rng.normal(0, 4, (len(tags) + classes, 2))
    points = [
        MapPoint(name=tag, kind="tag", x=x, y=y, df=df, domain=DOMAINS[place % 3])
        for place, ((tag, df), (x, y)) in enumerate(zip(tags.items(), at.tolist(), strict=False))
    ]
    points += [
        MapPoint(name=f"{names(60)[n % 60]}, {n}", kind="class", x=x, y=y, df=0, domain="")
        for n, (x, y) in enumerate(at[len(tags) :].tolist())
    ]
    return points

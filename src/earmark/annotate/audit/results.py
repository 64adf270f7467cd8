"""The tables of an audit, as its folder keeps them and the report reads them."""

from __future__ import annotations

from typing import Literal

from earmark.records import Row

Match = Literal["exact", "lemma", "semantic"]
"""How a tag and a label are held to be the same; each takes in the ones before it."""

NOTES = "notes.json"
"""Sentences on what could not be done, as a JSON list."""

AGREEMENT, COVERAGE, SHAPE, PARSERS, MAP = (
    f"{name}.parquet" for name in ("agreement", "coverage", "shape", "parsers", "map")
)


class Agreement(Row, frozen=True, kw_only=True):
    """Tags against people's labels of the same clips.

    `source` is "corpus" or a text source's name, `field` the label field. `group` says over what:
    "all", a domain, or one label (`kind`). Precision asks of those tags that name any class of
    the field at all; recall of the labels. `low` and `high` bound 95 % of bootstrap draws over
    clips. `clips` carry `labels` labels and `tags` tags that name a class.
    """

    source: str
    field: str
    match: Match
    kind: Literal["all", "domain", "label"]
    group: str
    clips: int
    labels: int
    tags: int
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    recall_low: float
    recall_high: float
    f1: float
    f1_low: float
    f1_high: float


class ListCoverage(Row, frozen=True, kw_only=True):
    """How many classes of a label list the vocabulary has a tag for, and which it has not."""

    name: str
    match: Match
    classes: int
    covered: int
    missing: tuple[str, ...]


class Shape(Row, frozen=True, kw_only=True):
    """The tags of one source at a glance; shares are from 0 to 1.

    `once` is the share of distinct tags that a single caption holds, `head` the share of all uses
    that the ten most frequent tags take, `redundant` the share of uses whose caption holds another
    tag of the same lemma or, with the extra, the same meaning. `speech`, `music` and `sound` are
    shares of captions.
    """

    source: str
    tagger: str
    captions: int
    untagged: int
    distinct: int
    uses: int
    tags_mean: float
    tags_low: float
    tags_high: float
    once: float
    head: float
    redundant: float
    speech: float
    music: float
    sound: float


class ParserScore(Row, frozen=True, kw_only=True):
    """One tagger on the captions that both taggers of the study were given.

    `grounded` is the share of tags whose words (by lemma) stand in the caption. Precision, recall
    and F1 are against people's tags of the same clip, NaN where there are none. `same` is the mean
    Jaccard index of its tags (by lemma) with the other tagger's.
    """

    source: str
    tagger: str
    captions: int
    unreadable: int
    tags_mean: float
    distinct: int
    grounded: float
    same: float
    precision: float
    recall: float
    f1: float
    f1_low: float
    f1_high: float


class MapPoint(Row, frozen=True, kw_only=True):
    """A tag or an AudioSet class in the plane: near is alike. `df` of a class is 0."""

    name: str
    kind: Literal["tag", "class"]
    x: float
    y: float
    df: int
    domain: str

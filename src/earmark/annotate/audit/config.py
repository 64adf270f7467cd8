"""What an audit compares: label fields of the corpus, label lists, and captions without audio."""

from __future__ import annotations

from earmark.annotate.backends.configs import TaggerConfig
from earmark.annotate.vocabulary.config import Domain
from earmark.config import Config


class LabelList(Config, frozen=True, kw_only=True):
    """A list of class names that a vocabulary is hoped to cover.

    Args:
        name: what the report calls it.
        path: a .txt (a name a line), .csv or .tsv (with `column`) or .json file (its keys, or the
            strings of its list).
        column: which column of a table has the names.
    """

    name: str
    path: str
    column: str = ""


class TextSource(Config, frozen=True, kw_only=True):
    """Captions without audio, as JSONL rows; with what people tagged where there is such.

    Args:
        name: what the report calls it.
        path: the JSONL file, packed or not.
        captions: the column with one caption or a list of them; a row's captions are tagged one
            by one.
        labels: the column with what people tagged of the same clip; none where empty.
        domain: the domain of all rows, where it is known.
    """

    name: str
    path: str
    captions: str = "captions"
    labels: str = ""
    domain: Domain | None = None


class AuditConfig(Config, frozen=True, kw_only=True):
    """What is compared with what.

    Args:
        fields: label fields of the corpus that say what is heard; where left out, those of which
            some tag names a value.
        lists: label lists beside AudioSet's 527 classes, which are always covered.
        texts: captions without audio.
        against: a second tagger, run over a sample of each text source: the parser study.
        sample: how many captions of each text source the second tagger is asked for, 1 or more.
        semantic: also match by meaning; wants the extra `semantics`.
        resamples: bootstrap draws of recordings behind each interval, 1 or more.
    """

    fields: tuple[str, ...] | None = None
    lists: tuple[LabelList, ...] = ()
    texts: tuple[TextSource, ...] = ()
    against: TaggerConfig | None = None
    sample: int = 300
    semantic: bool = False
    resamples: int = 1000

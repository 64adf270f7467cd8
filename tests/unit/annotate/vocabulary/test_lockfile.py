"""The vocabulary and its lock file: golden bytes, folding of tags as written, and nonsense."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import golden_locks as golden
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_counts import CORPUS, vocabulary_of

from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig, VocabularyEntry
from earmark.annotate.vocabulary.lockfile import AppliedDecisions, Provenance
from earmark.config import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@pytest.mark.parametrize("name", golden.LOCKS)
def test_golden_lock_files(tmp_path: Path, name: str) -> None:
    golden.LOCKS[name].save(tmp_path / name)
    kept = (golden.FOLDER / name).read_bytes()
    assert (tmp_path / name).read_bytes() == kept, f"run: {golden.COMMAND}"


@pytest.mark.parametrize("name", golden.LOCKS)
def test_lock_files_come_back(name: str) -> None:
    found = Vocabulary.load(golden.FOLDER / name)
    assert found == golden.LOCKS[name]
    assert found.fingerprint == golden.LOCKS[name].fingerprint


def test_an_entry_a_line() -> None:
    lines = (golden.FOLDER / "paper.json").read_text("utf-8").splitlines()
    entries = [json.loads(line.strip().rstrip(",")) for line in lines if '"rank"' in line]
    assert [entry["rank"] for entry in entries] == list(range(1, 9))


@given(st.lists(st.lists(TEXT, max_size=4), min_size=1, max_size=8).filter(any))
def test_any_tag_survives_the_lock_file(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("lock") / "vocabulary.json"
    vocabulary = vocabulary_of(corpus)
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    assert vocabulary.encode(vocabulary.tags)[1] == tuple(range(len(vocabulary)))


def test_the_short_constructor() -> None:
    entry = VocabularyEntry(rank=1, tag="rain", df=2, score=1.0)
    vocabulary = Vocabulary((entry,), 3, VocabularyConfig())
    assert vocabulary.tags == ("rain",)
    assert vocabulary.decisions == AppliedDecisions()


def test_encode_keeps_order_and_drops_the_unknown() -> None:
    vocabulary = vocabulary_of([["a", "b"], ["a", "b"]])
    assert vocabulary.encode(["b", "zebra", "a", "b"]) == (("b", "a"), (1, 0))
    assert vocabulary.encode([]) == ((), ())


def test_encode_folds_what_the_corpus_showed_and_what_it_did_not() -> None:
    governed = golden.GOVERNED
    written = ["Drum", "drums", "DRUM", "Speech ", "reverberant", "Reverberant", "cafe\u0301"]
    assert governed.encode(written) == (("drum", "speech", "reverb", "café"), (2, 1, 3, 0))


def test_encode_follows_decisions_for_tags_that_the_corpus_did_not_show() -> None:
    assert golden.GOVERNED.encode(["Tabour"])[0] == ("drum",)
    assert golden.GOVERNED.encode(["SOUND", "sound"])[0] == ()


def test_without_steps_only_the_tag_itself_is_found() -> None:
    assert vocabulary_of([["rain"]]).encode(["Rain", "rain "]) == ((), ())


def test_labels_are_found_in_variants() -> None:
    labels = golden.LOCKS["labels.json"]
    assert labels.encode(["high_fidelity", "high-fidelity"])[1] == (2, 1)
    assert labels.encode(["High Fidelity"])[1] == (1,)


def test_a_vocabulary_that_was_used_can_be_sent_to_another_process() -> None:
    vocabulary = golden.GOVERNED
    vocabulary.encode(["DRUM", "nothing"])
    again = pickle.loads(pickle.dumps(vocabulary))
    assert again == vocabulary
    assert again.encode(["DRUM"]) == vocabulary.encode(["DRUM"])


def test_the_first_of_a_vocabulary() -> None:
    whole = vocabulary_of(CORPUS, VocabularyConfig(size=100, sizes=(2, 3)))
    small = whole.first(3)
    assert small.tags == whole.tags[:3]
    assert small.settings == VocabularyConfig(size=3)
    assert whole.first(len(whole)).settings == VocabularyConfig(size=len(whole))
    assert whole.first(1000) is whole
    with pytest.raises(ConfigError, match="a vocabulary of 0 tags is none"):
        whole.first(0)


def test_the_same_tags_are_the_same_vocabulary_whatever_was_written_beside_them() -> None:
    asked = vocabulary_of(CORPUS, VocabularyConfig(size=3)).first(3)
    beside = vocabulary_of(CORPUS, VocabularyConfig(size=8, sizes=(3, 5), decisions="a.toml"))
    assert beside.first(3).fingerprint == asked.fingerprint


def test_fingerprint_tells_vocabularies_apart() -> None:
    base = golden.GOVERNED
    others = (
        base.first(3),
        vocabulary_of(CORPUS),
        vocabulary_of(CORPUS[1:]),
        Vocabulary(base.entries, 102, base.settings, 1, base.decisions),
        Vocabulary(base.entries, 101, VocabularyConfig(), 1, base.decisions),
        Vocabulary(base.entries, 101, base.settings, 2, base.decisions),
        Vocabulary(base.entries, 101, base.settings, 1),
    )
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == len(others) + 1
    moved = Vocabulary(base.entries, 101, base.settings, 1, base.decisions, Provenance())
    assert moved.fingerprint == base.fingerprint


def test_a_label_list() -> None:
    labels = Vocabulary.from_labels(["speech", "muzak"])
    assert (labels.captions, [e.df for e in labels.entries]) == (0, [0, 0])
    assert [e.domain for e in labels.entries] == ["speech", ""]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "no labels: a vocabulary needs at least one"),
        (["a", " "], r"label 1 \(from 0\) is empty"),
        (["a", "b", "a"], r"'a' is there twice, as 0 and 2 \(from 0\)"),
    ],
)
def test_label_lists_that_are_none(labels: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Vocabulary.from_labels(labels)


def test_mapping_by_tag_alias_and_fold() -> None:
    old = Vocabulary.from_labels(["Speech", "drums", "reverberant", "drum", "zither"])
    assert old.mapping_to(golden.GOVERNED) == {0: 1, 1: 2, 2: 3, 3: 2}
    assert golden.GOVERNED.mapping_to(old) == {1: 0, 2: 3, 3: 2}
    assert old.explain_mapping(golden.GOVERNED) == (
        "1 of 5 tags are the same, 3 are under another name ('Speech' is 'speech', 'drums' is "
        "'drum', 'reverberant' is 'reverb'), 1 are not in it ('zither'); 1 of its 4 tags are new. "
        "Class ids are mapped by Vocabulary.mapping_to."
    )


def edited(changes: dict[str, Any], place: int, entry: dict[str, Any]) -> bytes:
    lock = json.loads((golden.FOLDER / "governed.json").read_text("utf-8"))
    lock["entries"][place] |= entry
    return json.dumps(lock | changes).encode()


@pytest.mark.parametrize(
    ("header", "entry", "message"),
    [
        ({}, {"tag": "muzak"}, "its content has the fingerprint"),
        ({}, {"domain": "sound"}, "its content has the fingerprint"),
        ({}, {"aliases": {"drums": 12}}, "its content has the fingerprint"),
        ({"normalizer": 9}, {}, "its content has the fingerprint"),
        ({"decisions": {}}, {}, "its content has the fingerprint"),
        ({"settings": {"min_df": 9}}, {}, "its content has the fingerprint"),
        ({"fingerprint": ""}, {}, "its content has the fingerprint"),
        ({}, {"tag": "speech"}, "'speech' is there twice"),
        ({}, {"tag": ""}, "entry 3 has an empty tag"),
        ({}, {"rank": 7}, r"entry 3 \('drum'\) has rank 7"),
        ({}, {"df": 102}, "df 102, but there are 101 captions"),
        ({}, {"df": 0}, "df 0, but there are 101 captions"),
        ({}, {"df": 31}, "which its df does not give"),
        ({}, {"score": 0.5}, "score 0.5, which its df does not give"),
        ({"settings": {"score": "balanced"}}, {"score": -1}, "score -1.0, but none is below 0"),
        ({"captions": 120}, {}, "which its df does not give"),
        ({"captions": 0}, {}, "'café' was counted, but there are 0 captions"),
        ({}, {"domain": ""}, "'drum' has no domain; one of speech, music, sound"),
        ({}, {"aliases": {"speech": 2}}, "'speech' is an alias of 'drum', but a tag as well"),
        ({}, {"aliases": {"drum": 2}}, "'drum' is an alias of 'drum', but a tag as well"),
        ({}, {"aliases": {"reverberant": 2}}, "is an alias of both 'drum' and 'reverb'"),
        ({}, {"aliases": {"drums": 31}}, "'drums' is in 31 captions, but its tag 'drum' has df 30"),
        ({}, {"aliases": {"drums": 0}}, "'drums' is in 0 captions"),
        ({"entries": []}, {}, "it has no entries"),
        ({}, {"df": "many"}, "not a vocabulary lock file.*Expected `int`"),
        ({}, {"df": -3}, "not a vocabulary lock file.*Expected `int` >= 0"),
        ({}, {"df": 2.5}, "not a vocabulary lock file.*Expected `int`, got `float`"),
        ({}, {"df": 10**30}, "not a vocabulary lock file.*Expected `int` <="),
        ({"captions": 10**400}, {}, "not a vocabulary lock file.*Expected `int` <="),
        ({}, {"rank": 10**30}, "has rank 10000"),
        ({}, {"score": float("nan")}, "not a vocabulary lock file.*malformed"),
        ({}, {"score": float("inf")}, "not a vocabulary lock file.*malformed"),
        ({}, {"domain": "noise"}, "not a vocabulary lock file.*'noise'"),
        ({}, {"aliases": ["drums"]}, "not a vocabulary lock file.*Expected `object`"),
        ({}, {"tag": None}, "not a vocabulary lock file.*Expected `str`"),
        ({}, {"df_": 3}, "not a vocabulary lock file.*unknown field `df_`"),
        ({"entries": "none"}, {}, "not a vocabulary lock file"),
        ({"format": "earmark vocabulary 99"}, {}, "this version of earmark reads"),
        ({"format": 2}, {}, "not a vocabulary lock file"),
    ],
)
def test_an_edited_lock_file_is_refused(
    tmp_path: Path, header: dict[str, Any], entry: dict[str, Any], message: str
) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_bytes(edited(header, 2, entry))
    with pytest.raises(ConfigError, match=message):
        Vocabulary.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b"speech\nmusic\n", "malformed"),
        (edited({}, 2, {})[:400], "truncated"),
        (edited({}, 2, {}).replace(b"speech", b"\xff"), "utf-8"),
        (b"\xff\xfe{", "malformed"),
        (b'{"format": ' + b"[" * 100_000, "Expected `str`"),
        (b'{"z": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_lock_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"is not a vocabulary lock file: .*{message}"):
        Vocabulary.load(path)


@given(st.data())
def test_no_edit_of_a_byte_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray((golden.FOLDER / "governed.json").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("lock") / "vocabulary.json"
    path.write_bytes(content)
    try:
        found = Vocabulary.load(path)
    except ConfigError:
        return
    assert found.fingerprint == golden.GOVERNED.fingerprint


def test_a_vocabulary_that_contradicts_itself_is_not_written(tmp_path: Path) -> None:
    first, *others = vocabulary_of(CORPUS).entries
    wrong = (msgspec.structs.replace(first, aliases={others[0].tag: 1}), *others)
    vocabulary = Vocabulary(wrong, len(CORPUS), VocabularyConfig())
    with pytest.raises(ConfigError, match=r"is not written, .*'music' is an alias of 'calm', but"):
        vocabulary.save(tmp_path / "vocabulary.json")
    assert not list(tmp_path.iterdir())


def test_a_missing_lock_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no vocabulary at"):
        Vocabulary.load(tmp_path / "vocabulary.json")


def test_a_folder_is_no_lock_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        Vocabulary.load(tmp_path)

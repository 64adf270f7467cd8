"""Recipes: what is right is taken as written; what is wrong is told with what to write instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, field, inspect

from earmark.config import (
    Config,
    ConfigError,
    apply_overrides,
    decode_config,
    expand_variables,
    fingerprint,
    load_toml,
    suggest,
    to_plain,
)
from earmark.recipe import Recipe as WholeRecipe


class Folder(Config, frozen=True, kw_only=True, tag="folder", tag_field="kind"):
    path: str
    depth: int = 3


class Table(Config, frozen=True, kw_only=True, tag="table", tag_field="kind"):
    path: str
    splits: dict[str, Literal["train", "test"]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


class Task(Config, frozen=True, kw_only=True):
    name: str
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Recipe(Config, frozen=True, kw_only=True):
    corpus: Folder | Table
    seed: Annotated[int, Meta(ge=0)] = 0
    share: float = 0.5
    shuffle: bool = True
    name: str | None = None
    tasks: tuple[Task, ...] = ()
    precision: Literal["auto", "bfloat16"] = "auto"


CORPUS = {"kind": "folder", "path": "/sounds"}


def test_decode_builds_the_tree_of_structs() -> None:
    recipe = decode_config({"corpus": CORPUS, "share": 1, "tasks": [{"name": "domain"}]}, Recipe)
    expected = Recipe(corpus=Folder(path="/sounds"), share=1.0, tasks=(Task(name="domain"),))
    assert recipe == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sed": 1}, "unknown key 'sed' in the top level. Did you mean 'seed'?"),
        (
            {"corpus": {**CORPUS, "dept": 1}},
            "unknown key 'dept' in [corpus]. Did you mean 'depth'?",
        ),
        (
            {"corpus": {**CORPUS, "labels": []}},
            "unknown key 'labels' in [corpus]. Valid here: depth, kind, path.",
        ),
        (
            {"tasks": [{"name": "a"}, {"nam": "b"}]},
            "unknown key 'nam' in tasks[1]. Did you mean 'name'?",
        ),
        ({"seed": "3"}, 'seed = "3": a whole number was expected.'),
        ({"seed": True}, "seed = true: a whole number was expected."),
        ({"seed": -1}, "seed = -1: expected a value >= 0"),
        ({"share": "half"}, 'share = "half": a number was expected.'),
        ({"shuffle": "yes"}, 'shuffle = "yes": true or false was expected.'),
        ({"name": 3}, "name = 3: text in quotes was expected."),
        ({"tasks": {"name": "a"}}, 'tasks = {"name":"a"}: a list in [ ] was expected.'),
        (
            {"tasks": [{"name": "a", "where": {"set": "x"}}]},
            'tasks[0].where.set = "x": a list in [ ] was expected.',
        ),
        ({"precision": "bf16"}, "precision = \"bf16\" is not a choice. Did you mean 'bfloat16'?"),
        ({"precision": "bf16"}, "Did you mean 'bfloat16'? Valid here: auto, bfloat16."),
        ({"precision": "half"}, "is not a choice. Valid here: auto, bfloat16."),
        (
            {"corpus": {"kind": "table", "path": "x", "splits": {"1": "trian"}}},
            "corpus.splits.1 = \"trian\" is not a choice. Did you mean 'train'?",
        ),
        (
            {"corpus": {"kind": "foldr", "path": "x"}},
            "corpus.kind = \"foldr\" does not exist. Did you mean 'folder'?",
        ),
        ({"corpus": {"path": "x"}}, "[corpus] needs a kind, one of folder, table."),
        ({"corpus": {"kind": "folder"}}, "[corpus] needs 'path', which has no default."),
        ({"corpus": "/sounds"}, 'corpus = "/sounds": a table was expected.'),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_write(
    data: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        decode_config({"corpus": CORPUS, **data}, Recipe, where="my.toml")
    assert str(caught.value).startswith("my.toml: ")


def test_a_missing_table_is_named() -> None:
    with pytest.raises(ConfigError, match="the top level needs 'corpus'"):
        decode_config({"seed": 1}, Recipe)


def test_configs_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Folder(path="x").depth = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=3", {"seed": 3, "corpus": CORPUS}),
        ("share=0.5", {"share": 0.5, "corpus": CORPUS}),
        ("corpus.path=~/dogs and cats", {"corpus": {**CORPUS, "path": "~/dogs and cats"}}),
        ('corpus.path="a=b"', {"corpus": {**CORPUS, "path": "a=b"}}),
        ("corpus.depth = 2", {"corpus": {**CORPUS, "depth": 2}}),
        ('tasks=[{name="a"}]', {"corpus": CORPUS, "tasks": [{"name": "a"}]}),
        ("new.table.key=true", {"corpus": CORPUS, "new": {"table": {"key": True}}}),
        ("name=", {"corpus": CORPUS, "name": ""}),
    ],
)
def test_overrides_are_toml_values_or_bare_words(
    override: str, expected: dict[str, object]
) -> None:
    given_data = {"corpus": dict(CORPUS)}
    assert apply_overrides(given_data, [override]) == expected
    assert given_data == {"corpus": CORPUS}, "the recipe that was given must not change"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "should look like table.key=value"),
        ("=3", "should look like table.key=value"),
        ("corpus..path=x", "should look like table.key=value"),
        ("seed.x=1", "'seed' is not a table"),
        ("tasks.0.name=x", "'tasks' is a list; override it whole"),
        ("corpus.labels=[1,", "is not valid TOML"),
        ("corpus.path='x", "is not valid TOML"),
    ],
)
def test_a_malformed_override_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        apply_overrides({"seed": 1, "corpus": CORPUS, "tasks": [{"name": "a"}]}, [override])


@pytest.mark.parametrize(
    "overrides",
    [["corpus.kind=table", "corpus.path=x"], ["corpus.path=x", 'corpus.kind="table"']],
)
def test_another_kind_empties_its_table_in_any_order(overrides: list[str]) -> None:
    data = {"corpus": {**CORPUS, "depth": 1}}
    assert apply_overrides(data, overrides) == {"corpus": {"kind": "table", "path": "x"}}


@pytest.mark.parametrize("kind", ["folder", '"folder"'])
def test_the_same_kind_keeps_its_table(kind: str) -> None:
    assert apply_overrides({"corpus": CORPUS}, [f"corpus.kind={kind}"]) == {"corpus": CORPUS}


def test_variables_and_home_are_expanded_at_any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACK", "/data/pack")
    monkeypatch.setenv("HOME", "/home/ada")
    data = {"a": ["$PACK/x", {"b": "${PACK}s"}], "c": "~/y", "d": 3, "e": "costs 5$ or $5"}
    expected = {
        "a": ["/data/pack/x", {"b": "/data/packs"}],
        "c": "/home/ada/y",
        "d": 3,
        "e": "costs 5$ or $5",
    }
    assert expand_variables(data) == expected


def test_an_unset_variable_is_named_with_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PACK", raising=False)
    with pytest.raises(ConfigError) as caught:
        expand_variables({"corpus": {"path": "$PACK/manifest.jsonl"}})
    message = str(caught.value)
    assert message.startswith("corpus.path: the environment variable PACK is not set.")
    assert "export PACK=..." in message
    assert "corpus.path=..." in message


def test_load_toml_reads_overrides_and_expands(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('seed = 1\n[corpus]\nkind = "folder"\npath = "/a"\n')
    data = load_toml(tmp_path / "r.toml", ["seed=2"])
    assert data == {"seed": 2, "corpus": {"kind": "folder", "path": "/a"}}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pakc.toml", None, "no recipe at .*pakc.toml. Did you mean 'pack.toml'?"),
        ("sub/pack.toml", None, "The folder .*sub does not exist either"),
        ("broken.toml", b"seed = = 1", "broken.toml is not valid TOML: .*line 1"),
        ("latin.toml", b'name = "caf\xe9"', "latin.toml cannot be read as a recipe"),
        ("", None, "cannot be read as a recipe"),
    ],
)
def test_a_recipe_that_cannot_be_read(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    (tmp_path / "pack.toml").write_text("seed = 1")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_toml(tmp_path / name)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TASKS = st.builds(Task, name=TEXT, where=st.dictionaries(TEXT, st.tuples(TEXT)))
RECIPES = st.builds(
    Recipe,
    corpus=st.builds(Folder, path=TEXT, depth=st.integers(-(2**63), 2**63 - 1))
    | st.builds(Table, path=TEXT, labels=st.lists(TEXT).map(tuple)),
    seed=st.integers(0, 2**63 - 1),
    share=st.floats(allow_nan=False, allow_infinity=False),
    name=st.none() | TEXT,
    tasks=st.lists(TASKS, max_size=3).map(tuple),
)


@given(recipe=RECIPES)
def test_a_config_survives_the_way_through_toml(recipe: Recipe) -> None:
    text = tomli_w.dumps(to_plain(recipe))
    assert decode_config(tomllib.loads(text), Recipe) == recipe


def test_plain_data_has_toml_types_only() -> None:
    recipe = Recipe(corpus=Table(path="x", labels=("a",)), tasks=(Task(name="t"),))
    plain = to_plain(recipe)
    assert plain["corpus"] == {"kind": "table", "path": "x", "splits": {}, "labels": ["a"]}
    assert plain["tasks"] == [{"name": "t", "where": {}}]
    assert "name" not in plain, "TOML has no null"


@given(recipe=RECIPES)
def test_equal_configs_have_equal_fingerprints(recipe: Recipe) -> None:
    again = decode_config(to_plain(recipe), Recipe)
    assert fingerprint("stage", recipe) == fingerprint("stage", again)


def test_fingerprint_is_fixed_and_sees_every_field() -> None:
    # A change of this value makes every workspace in the world start again.
    assert fingerprint("scan", Folder(path="x")) == "62cd0c63d419"
    seen = {fingerprint(Folder(path=path, depth=depth)) for path in "ab" for depth in (1, 2)}
    assert len(seen) == 4
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_nearest_proposes_one_name_or_lists_a_few() -> None:
    assert suggest("mainfest", ["manifest", "scan"]) == " Did you mean 'manifest'?"
    assert suggest("x", ["scan", "manifest"]) == " Valid here: manifest, scan."
    assert suggest("x", []) == ""
    many = suggest("?", [f"name{index:03}" for index in range(1000)])
    assert many.endswith("name019, and 980 more.")


class Chosen(Config, frozen=True, kw_only=True):
    """Unions of words with other things, and a table with known keys."""

    size: int | Literal["auto"] = "auto"
    steps: Literal["all", "none"] | tuple[Literal["case", "spelling"], ...] = "all"
    shares: dict[Literal["speech", "music"], float] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"size": "auot"}, "size = \"auot\" is not a choice. Did you mean 'auto'?"),
        ({"size": 1.5}, "size = 1.5: a whole number was expected"),
        ({"steps": "non"}, "Did you mean 'none'?"),
        (
            {"steps": ["speling"]},
            "steps[0] = \"speling\" is not a choice. Did you mean 'spelling'?",
        ),
        ({"shares": {"speach": 0.1}}, "Did you mean 'speech'?"),
    ],
)
def test_a_choice_among_several_sorts_of_thing(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        decode_config(data, Chosen)
    assert decode_config({"size": 3, "steps": ["case"], "shares": {"music": 0.2}}, Chosen).size == 3


class Concat(Config, frozen=True, kw_only=True, tag="concat", tag_field="kind"):
    """A member of a union that had another kind, and settings that had other names."""

    former_kind: ClassVar[str] = "several"
    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({"draws": "repeats"})
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = MappingProxyType(
        {"probes": {"nearest": "knn"}, "probe": {"nearest": "knn"}}
    )

    repeats: int = 1
    probe: Literal["linear", "knn"] = "linear"
    probes: tuple[Literal["linear", "knn"], ...] = ()


class Renaming(Config, frozen=True, kw_only=True):
    corpus: Concat | Folder = Concat()
    tasks: tuple[Concat, ...] = ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"corpus": {"draws": 2}}, "recipe: 'draws' in [corpus] is now 'repeats'."),
        ({"tasks": [{}, {"draws": 2}]}, "recipe: 'draws' in tasks[1] is now 'repeats'."),
        ({"corpus": {"kind": "several"}}, 'recipe: corpus.kind = "several" is now "concat".'),
        ({"corpus": {"probe": "nearest"}}, 'recipe: corpus.probe = "nearest" is now "knn".'),
        (
            {"corpus": {"probes": ["linear", "nearest"]}},
            'recipe: corpus.probes = "nearest" is now "knn".',
        ),
        ({"corpus": {"drows": 2}}, "recipe: unknown key 'drows' in [corpus]. Valid here: "),
        ({"corpus": {"kind": ""}}, 'recipe: corpus.kind = "" does not exist.'),
        ({"corpus": {"probes": ["neerest"]}}, 'corpus.probes[0] = "neerest" is not a choice.'),
    ],
)
def test_a_former_name_is_told_with_the_name_of_today(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        decode_config(data, Renaming)
    assert message in str(raised.value)


def test_former_names_are_no_settings() -> None:
    assert to_plain(Concat()) == {"kind": "concat", "repeats": 1, "probe": "linear", "probes": []}


def test_a_recipe_read_back_is_the_recipe() -> None:
    # A whole number as the default of a real one would give a workspace's own record another
    # fingerprint than the recipe that it was made from.
    kinds: list[Any] = [WholeRecipe]
    while kinds:
        kind = inspect.type_info(kinds.pop())
        for entry in kind.fields:
            if isinstance(entry.type, inspect.FloatType) and not entry.required:
                assert type(entry.default) is float, (kind.cls, entry.name)
            members = getattr(entry.type, "types", (entry.type,))
            kinds += [m.cls for m in members if isinstance(m, inspect.StructType)]

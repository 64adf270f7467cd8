"""One run from audio to scores, as a user writes it: a TOML table for each thing that is built."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from earmark.annotate.audit.config import AuditConfig
from earmark.annotate.backends.acoustic import AcousticConfig
from earmark.annotate.backends.chat import ChatConfig, check_tagging
from earmark.annotate.backends.lexical import LexicalConfig
from earmark.annotate.backends.registry import CaptionerConfig, TaggerConfig
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.jobs.ray_runner import RayRunnerConfig
from earmark.annotate.manifest import ManifestConfig
from earmark.annotate.parsing.lint import LintConfig
from earmark.annotate.scan import ScanConfig
from earmark.annotate.vocabulary import VocabularyConfig
from earmark.config import (
    Config,
    ConfigError,
    Share,
    apply_overrides,
    decode_config,
    load_toml,
    suggest,
)
from earmark.corpora.concat import ConcatConfig
from earmark.corpora.folder import FolderConfig
from earmark.corpora.synthetic import SyntheticConfig
from earmark.corpora.table import TableConfig
from earmark.evaluate.config import EvaluateConfig
from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.encoders.config import EncoderConfig, TransformerConfig
from earmark.pretrain.objectives.config import ObjectiveConfig, TagsConfig
from earmark.workspace import Workspace, is_workspace


class Recipe(Config, frozen=True, kw_only=True):
    """One run from audio to scores; each table is the settings of what it builds.

    Args:
        seed: of the split, the weights, the batches and the probes (`pretrain.seed` sets those of
            weights and batches apart).
        max_rejected: the share of its clips that a stage may reject before the run stops, 0 to 1.
    """

    corpus: FolderConfig | TableConfig | SyntheticConfig | ConcatConfig
    seed: int = 0
    max_rejected: Share = 0.5
    scan: ScanConfig = ScanConfig()
    execute: LocalRunnerConfig | RayRunnerConfig = LocalRunnerConfig()
    captioner: CaptionerConfig = AcousticConfig()
    lint: LintConfig = LintConfig()
    tagger: TaggerConfig = LexicalConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    audit: AuditConfig = AuditConfig()
    manifest: ManifestConfig = ManifestConfig()
    encoder: EncoderConfig = TransformerConfig()
    objective: ObjectiveConfig = TagsConfig()
    pretrain: PretrainConfig = PretrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @property
    def training_seed(self) -> int:
        """The seed of weights and batches."""
        return self.seed if self.pretrain.seed is None else self.pretrain.seed

    def check(self) -> None:
        """Refuse a scan of clips that the captioner would refuse, and a tagger that gets no text.

        Raises:
            ConfigError: naming the settings.
        """
        if isinstance(self.tagger, ChatConfig):
            try:
                check_tagging(self.tagger)
            except ConfigError as error:
                raise ConfigError(f"tagger.{error}") from None
        if not isinstance(self.captioner, ChatConfig):
            return
        longest_s = self.scan.window_s or self.scan.longest_s
        if longest_s > self.captioner.max_audio_s:
            raise ConfigError(
                f"captioner.max_audio_s = {self.captioner.max_audio_s:g}, but scan lets clips of "
                f"{longest_s:g} s pass. Set scan.window_s = {self.captioner.max_audio_s:g}, and "
                "longer files are cut at quiet places."
            )


def open_recipe(name: str, overrides: Sequence[str], workspace: Path) -> tuple[Recipe, Path, bool]:
    """Return the recipe and the workspace that a command line means, and whether they are new.

    `name` is a recipe, or a workspace whose latest run is gone on with: then its corpus has been
    listed, and is not looked through again.

    Raises:
        ConfigError: as `load_recipe`.
    """
    if Path(name).is_dir() and name not in shipped_names() and is_workspace(Path(name)):
        plain, _ = Workspace(Path(name)).latest_run()
        return (
            decode_config(apply_overrides(plain, overrides), Recipe, where=name),
            Path(name),
            False,
        )
    return load_recipe(name, overrides), workspace, True


def shipped_names(*, studies: bool = False) -> list[str]:
    """Return the recipes that come with the package, or the studies."""
    shipped = resources.files("earmark") / "recipes"
    names = sorted(entry.name.removesuffix(".toml") for entry in shipped.iterdir())
    return [name for name in names if name.startswith("study") == studies]


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a TOML file, or a shipped one by name ("demo", "folder", "pack").

    Raises:
        ConfigError: no such recipe, or something in it cannot be right; the message says what.
    """
    file, names = Path(path), shipped_names()
    if str(path) in shipped_names(studies=True) and not file.is_file():
        raise ConfigError(f"{path} is a study, not a recipe: earmark study {path}")
    if not file.is_file() and file.suffix != ".toml" and str(path) not in names:
        raise ConfigError(
            f"{path} is neither a file nor a shipped recipe.{suggest(str(path), names)}"
        )
    with shipped_file(path) as found:
        data = load_toml(found, overrides)
    if "axes" in data:
        raise ConfigError(f"{path} is a study, not a recipe: earmark study {path}")
    return decode_config(data, Recipe, where=str(path))


@contextmanager
def shipped_file(path: str | Path) -> Generator[Path]:
    """Give the file that a path means: a shipped one by its bare name, else the path itself."""
    # `make demo` leaves a folder demo, which hides no recipe.
    names = shipped_names() + shipped_names(studies=True)
    if str(path) in names and not Path(path).is_file():
        shipped = resources.files("earmark") / "recipes"
        with resources.as_file(shipped / f"{path}.toml") as packaged:
            yield packaged
    else:
        yield Path(path)

"""The pipeline's stages in order, one class each."""

from __future__ import annotations

from earmark.recipe import Recipe
from earmark.stages.audit import AuditStage
from earmark.stages.base import BackendCache, Stage
from earmark.stages.caption import CaptionCanaryStage, CaptionRawStage, CaptionStage
from earmark.stages.corpus import CorpusStage
from earmark.stages.evaluate import EvaluateStage
from earmark.stages.manifest import ManifestStage
from earmark.stages.pretrain import PretrainStage
from earmark.stages.scan import ScanStage
from earmark.stages.tag import TagCanaryStage, TagRawStage, TagStage
from earmark.stages.vocabulary import VocabularyStage

STAGES: tuple[type[Stage], ...] = (
    CorpusStage,
    ScanStage,
    CaptionCanaryStage,
    CaptionRawStage,
    CaptionStage,
    TagCanaryStage,
    TagRawStage,
    TagStage,
    VocabularyStage,
    AuditStage,
    ManifestStage,
    PretrainStage,
    EvaluateStage,
)
"""Every stage; each reads stages before it alone."""

DEFAULT_STAGES = tuple(s.name for s in STAGES if not s.canary_for and not s.on_demand)
"""The names of the stages that every run has."""


def build_stages(recipe: Recipe) -> tuple[Stage, ...]:
    """Return the stages of a recipe. They share each backend, which is so built once."""
    backends = BackendCache()
    return tuple(stage(recipe, backends) for stage in STAGES)

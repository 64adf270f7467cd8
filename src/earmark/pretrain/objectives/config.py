"""The settings of objectives, free of torch."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from earmark.config import (
    Config,
    ConfigError,
    NonNegativeFloat,
    Package,
    PositiveFloat,
    PositiveInt,
    Share,
)
from earmark.pretrain.text.config import TextModelConfig

TEXT = (Package("tokenizers", "text"), Package("transformers", "text"))
"""What objectives that read or write text need."""

TextSource = Literal["summary", "caption", "original"]
"""Which text of a clip: the closing summary of its caption, the whole, or the words that came with
it (where a clip has several, one is drawn in each epoch)."""


class TagsConfig(Config, frozen=True, kw_only=True, tag="tags", tag_field="kind"):
    """Multi-tag classification on mean-pooled frames (PAPER section 2, MTC).

    Args:
        label: the name of a label field of the corpus, such as AudioSet's, whose values are then
            the classes instead of the vocabulary's tags: the paper's baseline.
        loss: "bce"; "focal" (arXiv 1708.02002) and "asymmetric" (arXiv 2009.14119) weigh down what
            is easy, the latter more so for absent tags.
        gamma: exponent of the focal loss; of the asymmetric one for absent tags.
        gamma_present: exponent of the asymmetric loss for present tags.
        margin: by which the asymmetric loss lowers the probabilities of absent tags, 0 to 1.
    """

    label: str = ""
    loss: Literal["bce", "focal", "asymmetric"] = "bce"
    gamma: NonNegativeFloat = 2.0
    gamma_present: NonNegativeFloat = 0.0
    margin: Share = 0.05


class TagsParallelConfig(Config, frozen=True, kw_only=True, tag="tags-parallel", tag_field="kind"):
    """Parallel decoding of tags, "tag_a, tag_d", from the audio alone (PAPER section 2, PAR).

    Args:
        label: as of `TagsConfig`.
        model: the decoder.
        queries: "fixed" always gives the decoder max_tokens - 1 mask tokens, and the end is part of
            the answer; "target" gives as many as the target has, and with it the target's length.
        label_smoothing: 0 to 1.
    """

    label: str = ""
    model: TextModelConfig = TextModelConfig(max_tokens=64)
    queries: Literal["target", "fixed"] = "fixed"
    label_smoothing: Share = 0.1

    @property
    def packages(self) -> tuple[Package, ...]:
        """Word pieces and a text model."""
        return TEXT


class ContrastiveConfig(Config, frozen=True, kw_only=True, tag="contrastive", tag_field="kind"):
    """Audio and its text beside each other, apart from those of other clips (PAPER section 2).

    Args:
        text: what stands for a clip.
        model: the text encoder.
        dim: of the shared space.
        loss: "infonce", symmetric over the clips of all processes; "siglip" (arXiv 2303.15343)
            asks of each pair by itself.
        temperature: that scores are divided by; the start where it is learnt.
        learn_temperature: whether it is a parameter (the paper's is fixed; SigLIP always learns it
            with a bias).
    """

    text: TextSource = "summary"
    model: TextModelConfig = TextModelConfig()
    dim: PositiveInt = 1024
    loss: Literal["infonce", "siglip"] = "infonce"
    temperature: PositiveFloat = 0.07
    learn_temperature: bool = False

    @property
    def packages(self) -> tuple[Package, ...]:
        """Word pieces and a text model."""
        return TEXT


class CaptioningConfig(Config, frozen=True, kw_only=True, tag="captioning", tag_field="kind"):
    """A decoder writes the clip's text from the audio (PAPER section 2).

    Args:
        text: what is written.
        model: the decoder.
        parallel: share of the clips whose text is decoded in parallel from mask tokens, the others
            word by word: 0.75 as in the paper, 0 for autoregression alone, 1 for PAR alone.
        queries: of parallel decoding, as of `TagsParallelConfig`.
        label_smoothing: 0 to 1.
    """

    text: TextSource = "summary"
    model: TextModelConfig = TextModelConfig()
    parallel: Share = 0.75
    queries: Literal["target", "fixed"] = "target"
    label_smoothing: Share = 0.1

    @property
    def packages(self) -> tuple[Package, ...]:
        """Word pieces and a text model."""
        return TEXT


PartConfig = TagsConfig | TagsParallelConfig | ContrastiveConfig | CaptioningConfig


class MultitaskConfig(Config, frozen=True, kw_only=True, tag="multitask", tag_field="kind"):
    """Several objectives on the same frames, weighted: L_MTC + lambda * L_captioning in the paper.

    Args:
        parts: the objectives.
        weights: one a part; the start where they are learnt.
        learn_weights: whether each part's weight follows its own noise (arXiv 1705.07115).
    """

    parts: Annotated[tuple[PartConfig, ...], Meta(min_length=1)] = (
        TagsConfig(),
        CaptioningConfig(),
    )
    weights: tuple[PositiveFloat, ...] = (1.0, 1.0)
    learn_weights: bool = False

    def check(self) -> None:
        """Refuse weights that do not fit the parts. Raises ConfigError."""
        if len(self.parts) != len(self.weights):
            raise ConfigError(
                f"weights has {len(self.weights)} numbers for {len(self.parts)} parts; give one "
                "weight for each part."
            )


ObjectiveConfig = PartConfig | MultitaskConfig

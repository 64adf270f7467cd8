"""Processors of audio chat models, without the eyes that some of them have.

Omni models come with one processor for sound, pictures and film, and loading it as a whole demands
torchvision, which captioning audio does not need. Here such a processor is put together from its
parts, with a stand-in for each part that sees.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, cast

from transformers import (
    AutoFeatureExtractor,
    AutoTokenizer,
    ImageProcessingMixin,
    PretrainedConfig,
    ProcessorMixin,
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerConfig,
    Qwen3OmniMoeProcessor,
    Qwen3OmniMoeThinkerConfig,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

EARS = ("feature_extractor", "audio_processor")
"""What transformers calls the part that takes audio."""
EYES = ("image_processor", "video_processor")

_OF_THINKERS: dict[type[PretrainedConfig], type[ProcessorMixin]] = {
    Qwen3OmniMoeThinkerConfig: Qwen3OmniMoeProcessor,
    Qwen2_5OmniThinkerConfig: Qwen2_5OmniProcessor,
}
"""A thinker saved by itself still wants the processor of the whole, which the library's table
names for the whole only."""


class NoEyes(ImageProcessingMixin):
    """Stands where a processor wants a part for pictures or film."""

    model_input_names: ClassVar[list[str]] = []

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise TypeError: nothing here shows pictures to a model."""
        raise TypeError("earmark loads models to listen; pictures and film are not prepared")


def processor_class(config: PretrainedConfig) -> type[ProcessorMixin] | None:
    """Return the class of the processor that brings audio to this model; None if it takes none."""
    found = _OF_THINKERS.get(type(config))
    if found is None and type(config) in PROCESSOR_MAPPING:
        found = cast(type[ProcessorMixin] | None, PROCESSOR_MAPPING[type(config)])
    return found if found is not None and ear_of(found) else None


def ear_of(processor: type[ProcessorMixin]) -> str | None:
    """Return the name of the part that takes audio, if the processor has one."""
    return next((name for name in processor.get_attributes() if name in EARS), None)


def load_processor(
    processor: type[ProcessorMixin], source: str, hub: dict[str, Any]
) -> ProcessorMixin:
    """Load a processor's tokenizer, ears and chat template from a folder or the hub.

    Raises:
        OSError, ValueError, ImportError: as transformers does where parts are missing.
    """
    names = processor.get_attributes()
    if not any(name in EYES for name in names):
        return processor.from_pretrained(source, **hub)
    settings, kwargs = processor.get_processor_dict(source, **hub)
    parts = [_load_part(name, source, hub) for name in names]
    made = _without_eyes(processor).from_args_and_dict(parts, settings, **kwargs)
    return cast(ProcessorMixin, made)


def _load_part(name: str, source: str, hub: dict[str, Any]) -> object:
    if name in EYES:
        return NoEyes()
    loader = AutoFeatureExtractor if name in EARS else AutoTokenizer
    return loader.from_pretrained(source, **hub)


def _without_eyes(processor: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """Return `processor` as a class that lets `NoEyes` pass its check of the parts' types.

    The check looks for the true types by name, and those for film are not there without
    torchvision.
    """

    def check(self: ProcessorMixin, name: str, part: object) -> object:
        if isinstance(part, NoEyes):
            return NoEyes
        return processor.check_argument_for_proper_class(self, name, part)

    return type(processor.__name__, (processor,), {"check_argument_for_proper_class": check})

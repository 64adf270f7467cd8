"""Load a model, its tokenizer and its processor, chosen by the class of the model's configuration.

Omni models come with one processor for sound, pictures and video. Loading it as a whole needs
torchvision, which captioning audio does not need. Here such a processor is put together from its
parts, with a placeholder for each part that handles pictures or video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoTokenizer,
    GenerationConfig,
    ImageProcessingMixin,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    Qwen2_5OmniConfig,
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen3OmniMoeConfig,
    Qwen3OmniMoeProcessor,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MULTIMODAL_LM_MAPPING,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from earmark.config import ConfigError

if TYPE_CHECKING:
    from earmark.annotate.backends.transformers.backend import TransformersConfig

AUDIO_PARTS = ("feature_extractor", "audio_processor")
"""What transformers calls the part that takes audio."""

VISUAL_PARTS = ("image_processor", "video_processor")

_THINKER_PROCESSORS: dict[type[PretrainedConfig], type[ProcessorMixin]] = {
    Qwen3OmniMoeThinkerConfig: Qwen3OmniMoeProcessor,
    Qwen2_5OmniThinkerConfig: Qwen2_5OmniProcessor,
}
"""A thinker saved by itself still wants the processor of the whole, which the library's table
names for the whole only."""


class VisualPlaceholder(ImageProcessingMixin):
    """Stands where a processor wants a part for pictures or film."""

    model_input_names: ClassVar[list[str]] = []

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise TypeError: nothing here shows pictures to a model."""
        raise TypeError("earmark loads models to listen; pictures and film are not prepared")


def processor_class(config: PretrainedConfig) -> type[ProcessorMixin] | None:
    """Return the class of the processor that brings audio to this model; None if it takes none."""
    found = _THINKER_PROCESSORS.get(type(config))
    if found is None and type(config) in PROCESSOR_MAPPING:
        found = cast(type[ProcessorMixin] | None, PROCESSOR_MAPPING[type(config)])
    return found if found is not None and audio_part_name(found) else None


def audio_part_name(processor: type[ProcessorMixin]) -> str | None:
    """Return the name of the part that takes audio, if the processor has one."""
    return next((name for name in processor.get_attributes() if name in AUDIO_PARTS), None)


def load_processor(
    processor: type[ProcessorMixin], source: str, hub: dict[str, Any]
) -> ProcessorMixin:
    """Load a processor's tokenizer, ears and chat template from a folder or the hub.

    Raises:
        OSError, ValueError, ImportError: as transformers does where parts are missing.
    """
    names = processor.get_attributes()
    if not any(name in VISUAL_PARTS for name in names):
        return processor.from_pretrained(source, **hub)
    settings, kwargs = processor.get_processor_dict(source, **hub)
    parts = [_load_part(name, source, hub) for name in names]
    made = _without_visual_parts(processor).from_args_and_dict(parts, settings, **kwargs)
    return cast(ProcessorMixin, made)


def _load_part(name: str, source: str, hub: dict[str, Any]) -> object:
    if name in VISUAL_PARTS:
        return VisualPlaceholder()
    loader = AutoFeatureExtractor if name in AUDIO_PARTS else AutoTokenizer
    return loader.from_pretrained(source, **hub)


def _without_visual_parts(processor: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """Return `processor` as a class that lets `VisualPlaceholder` pass its check of types.

    The check looks for the true types by name, and those for film are not there without
    torchvision.
    """

    def check(self: ProcessorMixin, name: str, part: object) -> object:
        if isinstance(part, VisualPlaceholder):
            return VisualPlaceholder
        return processor.check_argument_for_proper_class(self, name, part)

    return type(processor.__name__, (processor,), {"check_argument_for_proper_class": check})


_THINKER_MODELS: dict[type[PretrainedConfig], type[PreTrainedModel]] = {
    Qwen3OmniMoeConfig: Qwen3OmniMoeThinkerForConditionalGeneration,
    Qwen2_5OmniConfig: Qwen2_5OmniThinkerForConditionalGeneration,
}
"""Of models that also speak, only the half that writes is loaded."""


@dataclass(frozen=True)
class LoadedModel:
    """A model on its device, its tokenizer, and its processor if it hears."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    processor: ProcessorMixin | None


def load_model(config: TransformersConfig) -> LoadedModel:
    """Load tokenizer, processor and weights; these pass through main memory on their way to a GPU.

    Raises:
        ConfigError: the hub or folder does not hold what is needed, weights are missing from it,
            transformers has no such model, the device is not there or has too little memory.
    """
    hub: dict[str, Any] = {"trust_remote_code": False}
    if config.revision:
        hub["revision"] = config.revision
    device = resolve_device(config.device)
    try:
        return _load_components(config, hub, device)
    except ConfigError:
        raise
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise ConfigError(f"model = {config.model!r} could not be loaded: {error}") from error
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"model = {config.model!r} does not fit into the memory of {device} ({error}); take a "
            "smaller model or dtype, or serve it over several GPUs (the vllm backend)"
        ) from None


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is the first GPU that torch sees, else the CPU.

    Raises:
        ConfigError: torch knows no such device or sees none here.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device = {name!r}: torch finds none such here ({reason})") from None
    return device


def _load_components(
    config: TransformersConfig, hub: dict[str, Any], device: torch.device
) -> LoadedModel:
    settings = AutoConfig.from_pretrained(config.model, **hub)
    hears = processor_class(settings)
    if hears is None:
        processor = None
        tokenizer = AutoTokenizer.from_pretrained(config.model, **hub)
    else:
        processor = load_processor(hears, config.model, hub)
        tokenizer = processor.tokenizer
    model = _load_weights(config, hub, settings)
    model.generation_config = _generation_config(model, tokenizer, config.max_tokens)
    return LoadedModel(model.to(device).eval(), tokenizer, processor)


def _load_weights(
    config: TransformersConfig,
    hub: dict[str, Any],
    settings: PretrainedConfig,
) -> Any:
    loader: Any
    if thinker := _THINKER_MODELS.get(type(settings)):
        loader, settings = thinker, settings.thinker_config
    elif type(settings) in MODEL_FOR_MULTIMODAL_LM_MAPPING:
        loader = AutoModelForMultimodalLM
    elif type(settings) in MODEL_FOR_CAUSAL_LM_MAPPING:
        loader = AutoModelForCausalLM
    else:
        raise ConfigError(
            f"model = {config.model!r} is a {settings.model_type!r} model, which takes neither "
            "audio nor text to write text; a captioner is for example "
            "Qwen/Qwen3-Omni-30B-A3B-Captioner, a tagger Qwen/Qwen2.5-7B-Instruct"
        )
    model, report = loader.from_pretrained(
        config.model,
        config=settings,
        dtype=config.dtype,
        use_safetensors=True,
        output_loading_info=True,
        **hub,
    )
    # transformers would make up random numbers for weights that are not there.
    if absent := sorted([*report["missing_keys"], *map(str, report["mismatched_keys"])]):
        raise ConfigError(
            f"model = {config.model!r}: {len(absent)} weights are missing or of another shape, "
            f"the first is {absent[0]}; is the download complete?"
        )
    return model


def _generation_config(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> GenerationConfig:
    """Return how to decode: as the recipe says, not as the model's authors suggest.

    Kept of theirs are the end tokens and the repetition penalty, as vLLM keeps it.
    """
    theirs = model.generation_config
    assert theirs is not None, "a model that generates has settings for it"
    listed = theirs.eos_token_id if isinstance(theirs.eos_token_id, list) else [theirs.eos_token_id]
    ends = {end for end in (*listed, tokenizer.eos_token_id) if isinstance(end, int)}
    return GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=False,
        repetition_penalty=theirs.repetition_penalty,
        eos_token_id=sorted(ends) or None,
        pad_token_id=_pad_token_id(theirs, tokenizer),
    )


def _pad_token_id(theirs: GenerationConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that fills up a batch; it is masked, so that any will do."""
    candidates = (tokenizer.pad_token_id, theirs.pad_token_id, tokenizer.eos_token_id, 0)
    return next(token for token in candidates if isinstance(token, int))

"""The settings of every backend, as the unions that recipes choose from."""

from __future__ import annotations

from earmark.annotate.backends.acoustic import AcousticConfig
from earmark.annotate.backends.chat import ChatConfig
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.lexical import LexicalConfig
from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.annotate.backends.transformers import TransformersConfig
from earmark.annotate.backends.vllm import VllmConfig

ChatModelConfig = EndpointConfig | VllmConfig | TransformersConfig
"""Chat models, wherever they run."""

CaptionerConfig = AcousticConfig | ScriptedConfig | ChatModelConfig
TaggerConfig = LexicalConfig | ScriptedConfig | ChatModelConfig


def display_name(config: CaptionerConfig | TaggerConfig) -> str:
    """Return what people call a backend: its model with the revision, or its kind."""
    if not isinstance(config, ChatConfig):
        return f"earmark's {type(config).__struct_config__.tag} backend"
    return f"{config.model} ({config.revision})" if config.revision else config.model

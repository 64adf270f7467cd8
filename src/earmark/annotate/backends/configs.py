"""Every backend's settings, as the unions that recipes choose from."""

from __future__ import annotations

from .acoustic import AcousticConfig
from .endpoint import EndpointConfig
from .lexical import LexicalConfig
from .scripted import ScriptedConfig
from .transformers import TransformersConfig
from .vllm import VllmConfig

Served = EndpointConfig | VllmConfig | TransformersConfig
"""Chat models, wherever they run."""

CaptionerConfig = AcousticConfig | ScriptedConfig | Served
TaggerConfig = LexicalConfig | ScriptedConfig | Served

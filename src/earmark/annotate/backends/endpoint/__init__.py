"""A captioner or tagger behind OpenAI-compatible servers: chat completions over HTTP."""

from .config import EndpointConfig, RequestConfig

__all__ = ["EndpointConfig", "RequestConfig"]

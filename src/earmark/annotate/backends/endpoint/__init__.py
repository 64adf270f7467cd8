"""A captioner or tagger behind OpenAI-compatible servers: chat completions over HTTP."""

from earmark.annotate.backends.endpoint.config import EndpointConfig, RequestConfig

__all__ = ["EndpointConfig", "RequestConfig"]

"""A captioner or tagger on this machine's GPUs: vLLM servers, started, watched and ended here."""

from earmark.annotate.backends.vllm.config import VllmConfig

__all__ = ["VllmConfig"]

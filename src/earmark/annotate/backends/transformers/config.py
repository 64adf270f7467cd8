"""Settings of the in-process backend. Imports nothing heavy, for recipes are read by every verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from earmark.annotate.backends.chat import ChatConfig
from earmark.config import Device, Package, PositiveInt, check_packages

if TYPE_CHECKING:
    from earmark.annotate.backends.transformers.backend import TransformersBackend


class TransformersConfig(
    ChatConfig, frozen=True, kw_only=True, tag="transformers", tag_field="kind"
):
    """A chat model loaded into this process: for small jobs, and to check a served model against.

    Captions want a model that hears (Qwen3-Omni, Qwen2.5-Omni, Qwen2-Audio and others that
    transformers lists for audio and text in, text out); tags any that writes. The model's own chat
    template shapes the prompt. A base model has none: it is given the plain text to go on from.

    Weights are read from safetensors files, and no code that comes with a model is ever run.

    Args:
        model: a folder, or a name on the Hugging Face hub.
        revision: of a model from the hub: name a commit, or the answers of two days may be those
            of two models. In a folder it is only recorded.
        device: "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one.
        dtype: of weights and arithmetic; "auto" is what the weights were saved in.
        batch_size: prompts answered at once, at most. Those that arrive while the model is busy
            are gathered.
    """

    device: Device = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: PositiveInt = 1

    @property
    def packages(self) -> tuple[Package, ...]:
        """The models' code."""
        return (Package("transformers", "transformers"),)

    def build(self) -> TransformersBackend:
        """Check what can be checked without loading, and return the backend.

        Raises:
            ConfigError: transformers is not installed, or `model` is neither a folder with a model
                in it nor a name that the hub could know.
        """
        check_packages(self)
        from earmark.annotate.backends.transformers.backend import TransformersBackend

        return TransformersBackend(self)

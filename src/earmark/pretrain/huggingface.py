"""Load models with `transformers`: quietly, and without running code from a model repository."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator


@contextlib.contextmanager
def silence_transformers() -> Generator[None]:
    """Keep off the screen what `transformers` says while it loads; afterwards it speaks as before.

    Progress bars, its report of weights that are not read (whoever loads checks those that are
    missing), and its warning of empty mel filters, which come with some published front ends.
    """
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="At least one mel filter has all zero values")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load_failure_reason(error: Exception) -> str:
    """Return the first line of an error, ended by a full stop, and the way out of a pickle."""
    said = str(error).strip() or type(error).__name__
    reason = said.splitlines()[0].rstrip(".") + "."
    if "safetensors" not in said:
        return reason
    return (
        f"{reason} Weights are read from safetensors alone: a pickle (pytorch_model.bin) may run "
        "any code as it is read. On a machine where you trust it, load it with transformers, call "
        "save_pretrained(FOLDER), and give that folder."
    )

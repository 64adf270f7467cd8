"""Encoders for the audio tasks of MTEB (Muennighoff et al. 2023, arXiv 2210.07316; version 2).

`mteb.evaluate(MtebEncoder("runs/mine"), tasks)` scores one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from earmark import audio
from earmark.config import ConfigError
from earmark.evaluate.adapters.frames import checkpoint_fingerprint
from earmark.pretrain.inference.load import load_encoder
from earmark.pretrain.inference.search import load_audio_text_encoder

BYTES_PER_MB = 2**20


class MtebEncoder:
    """An encoder that MTEB may ask: its EncoderProtocol.

    Args:
        path: as of `earmark.load_encoder`.
        device: as of `earmark.load_encoder`.
        space: "pooled" gives the mean over the last layer's frames, which MTEB's classification and
            clustering train on; audio only. "shared" gives unit vectors of the space that a
            contrastive checkpoint's clips share with texts, for retrieval and zero-shot tasks.
        name: in MTEB's results; "earmark/" and the name of the folder unless given, and "-shared"
            behind it in that space. The revision is a hash of the weights.

    Raises:
        ConfigError: as `earmark.load_encoder`, mteb is not installed, or the space is "shared" and
            the checkpoint has no contrastive part.
    """

    def __init__(
        self,
        path: str | Path,
        device: str = "cpu",
        *,
        space: Literal["pooled", "shared"] = "pooled",
        name: str = "",
    ) -> None:
        self._listener = load_audio_text_encoder(path, device) if space == "shared" else None
        self._encoder = self._listener.encoder if self._listener else load_encoder(path, device)
        revision = checkpoint_fingerprint(Path(path), self._encoder)
        title = name or f"earmark/{Path(path).absolute().name}"
        if self._listener:
            title, revision = f"{title}-shared", self._listener.fingerprint
        self._name, self._revision = title, revision
        self._meta = self._described()

    @property
    def mteb_model_meta(self) -> Any:
        """The `mteb.models.ModelMeta` that results are kept under."""
        return self._meta

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any = None,
        hf_split: str = "",
        hf_subset: str = "",
        prompt_type: Any = None,
        **options: Any,
    ) -> Float32[np.ndarray, "inputs dim"]:
        """Return one vector an input, in their order.

        Args:
            inputs: batches of either "audio", mappings with an "array" [samples] or
                [channels, samples] and its "sampling_rate" in Hz, or "text".
            task_metadata: what is asked makes no difference to the vectors.
            hf_split: as `task_metadata`.
            hf_subset: as `task_metadata`.
            prompt_type: as `task_metadata`: queries and documents are encoded alike.
            options: as `task_metadata`.

        Raises:
            ValueError: an input is neither or both, texts in the space "pooled", or a wave is empty
                or not finite.
        """
        del task_metadata, hf_split, hf_subset, prompt_type, options
        empty = np.zeros((0, self._dim), dtype=np.float32)
        return np.concatenate([empty, *(self._batch(batch) for batch in inputs)])

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Float32[Tensor, "first second"]:
        """Return the cosines of each vector of the one with each of the other."""
        return _normalize_rows(embeddings1) @ _normalize_rows(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Float32[Tensor, " pairs"]:
        """Return the cosines of vectors at equal places."""
        return (_normalize_rows(embeddings1) * _normalize_rows(embeddings2)).sum(dim=-1)

    @property
    def _dim(self) -> int:
        return self._listener.objective.config.dim if self._listener else self._encoder.dim

    def _batch(self, batch: Mapping[str, Any]) -> Float32[np.ndarray, "inputs dim"]:
        kinds = sorted({"audio", "text"} & set(batch))
        if kinds == ["audio"]:
            return self._sounds(
                [to_mono_wave(each, self._encoder.sample_rate) for each in batch["audio"]]
            )
        if kinds != ["text"]:
            raise ValueError(
                "earmark encodes audio or text, one of them an input; this one has "
                f"{', '.join(sorted(map(str, batch)))}. Choose tasks on audio alone, or with audio "
                "on one side and text on the other."
            )
        if self._listener is None:
            raise ValueError(
                'Texts have no vectors in the space "pooled": give space="shared" and a '
                "contrastive checkpoint, or choose tasks on audio alone."
            )
        return self._listener.objective.embed_text(list(batch["text"])).float().numpy()

    def _sounds(self, waves: list[Float32[np.ndarray, " _"]]) -> Float32[np.ndarray, "inputs dim"]:
        if self._listener is None:
            return self._encoder.embed(waves)
        vectors = np.zeros((len(waves), self._dim), dtype=np.float32)
        for places, encoded in self._encoder.encode(waves):
            with torch.inference_mode():
                vectors[places] = (
                    self._listener.objective.embed_audio(encoded).float().cpu().numpy()
                )
        return vectors

    def _described(self) -> Any:
        meta = _model_meta_class()
        weights = [*self._encoder.parameters()]
        if self._listener:
            weights += [*self._listener.objective.parameters()]
        return meta(
            loader=None,
            name=self._name,
            revision=self._revision,
            release_date=None,
            languages=None,
            n_parameters=sum(weight.numel() for weight in weights),
            memory_usage_mb=sum(weight.nbytes for weight in weights) / BYTES_PER_MB,
            max_tokens=None,
            embed_dim=self._dim,
            license=None,
            open_weights=None,
            public_training_code=None,
            public_training_data=None,
            framework=["PyTorch"],
            similarity_fn_name="cosine",
            use_instructions=False,
            training_datasets=None,
            modalities=["audio", "text"] if self._listener else ["audio"],
        )


def to_mono_wave(item: Mapping[str, Any], sample_rate: int) -> Float32[np.ndarray, " samples"]:
    """Return an input of MTEB as a mono wave at `sample_rate` Hz.

    Args:
        item: with an "array" [samples] or [channels, samples], and its "sampling_rate" in Hz.
        sample_rate: to resample to.

    Raises:
        ValueError: the array has another shape.
    """
    wave = np.asarray(item["array"], dtype=np.float32)
    if wave.ndim == 2:
        wave = wave.mean(axis=0)
    if wave.ndim != 1 or wave.size == 0:
        raise ValueError(
            f"audio should be [samples] or [channels, samples] with at least one sample; an array "
            f"of shape {np.shape(item['array'])} was given."
        )
    return audio.resample(wave, int(item["sampling_rate"]), sample_rate)


def _normalize_rows(
    vectors: Float[np.ndarray, "*rows dim"] | Tensor,
) -> Float32[Tensor, "rows dim"]:
    rows = torch.atleast_2d(torch.as_tensor(vectors)).float()
    return functional.normalize(rows, dim=-1)


def _model_meta_class() -> Any:
    """Return MTEB's class. Raises ConfigError: it is not installed."""
    try:
        return import_module("mteb.models").ModelMeta
    except ImportError as error:
        raise ConfigError(
            f"MTEB cannot be imported ({error}): pip install 'earmark[mteb]'."
        ) from None

"""The settings of encoders, free of torch.

They include the check that a sample rate has room for the mel filters.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from earmark.config import Config, ConfigError, NonNegativeInt, Package, PositiveInt, Share

MEL_LOW_HZ = 20.0

MEL_BELOW_NYQUIST_HZ = 400.0

MIN_SAMPLE_RATE_HZ = 1000
"""Some band is left between 20 Hz and 400 Hz below Nyquist."""

HIGHEST_RATE_HZ = 768_000
"""No recorder is faster."""


def check_mel_bins(sample_rate: int, mel_bins: int) -> None:
    """Refuse a log-mel that `earmark.pretrain.encoders.log_mel.LogMel` cannot compute.

    Raises:
        ConfigError: so many bins that a filter would lie between two bands of the spectrum; the
            message has the most that fit.
    """
    if mel_bins_fit(sample_rate, mel_bins):
        return
    tried = range(min(mel_bins, sample_rate), 0, -1)
    most = next(bins for bins in tried if bins == 1 or mel_bins_fit(sample_rate, bins))
    raise ConfigError(
        f"mel_bins = {mel_bins} are too many at sample_rate = {sample_rate}: some filter would "
        f"hold nothing of the spectrum. Give at most {most}; 80 suit 16000 Hz."
    )


def mel_bins_fit(sample_rate: int, mel_bins: int) -> bool:
    """Tell whether each triangle holds a band of the spectrum of 25 ms."""
    fft_size = 2 ** math.ceil(math.log2(round(0.025 * sample_rate)))
    band_hz = sample_rate / fft_size
    low, high = hz_to_mel(MEL_LOW_HZ), hz_to_mel(sample_rate / 2 - MEL_BELOW_NYQUIST_HZ)
    step = (high - low) / (mel_bins + 1)
    for place in range(mel_bins):
        left, right = (_mel_to_hz(low + step * (place + side)) for side in (0, 2))
        if (math.floor(left / band_hz) + 1) * band_hz >= right:
            return False
    return True


def hz_to_mel(hz: float) -> float:
    """Return a frequency on Kaldi's mel scale."""
    return 1127.0 * math.log1p(hz / 700.0)


def _mel_to_hz(mel: float) -> float:
    return 700.0 * math.expm1(mel / 1127.0)


class TransformerShape(NamedTuple):
    """The dimensions of a transformer: width of a frame, blocks, attention heads a block."""

    dim: int
    layers: int
    heads: int


TRANSFORMER_SHAPES = {
    "mini": TransformerShape(dim=256, layers=6, heads=4),
    "S": TransformerShape(dim=384, layers=12, heads=6),
    "B": TransformerShape(dim=768, layers=12, heads=12),
}

PATCH_SIZE = 16
"""Log-mel frames and bins that a patch spans."""

SampleRate = Annotated[int, Meta(ge=MIN_SAMPLE_RATE_HZ, le=HIGHEST_RATE_HZ)]

Stacks = Annotated[tuple[PositiveInt, ...], Meta(min_length=1)]
"""A number for each stack of a Zipformer."""

WideStacks = Annotated[tuple[Annotated[int, Meta(ge=2)], ...], Meta(min_length=1)]


class TransformerConfig(Config, frozen=True, kw_only=True, tag="transformer", tag_field="kind"):
    """A plain pre-norm transformer on log-mel frames (about 5M parameters as it stands).

    Args:
        size: "mini" (256 x 6 blocks, 4 heads), "S" (384 x 12, 6 heads; about 22M parameters) or
            "B" (768 x 12, 12 heads; about 86M).
        sample_rate: what it listens to, Hz.
        mel_bins: log-mel channels; with patches a multiple of 16.
        dim: width of a frame, in place of the size's.
        layers: transformer blocks, in place of the size's.
        heads: attention heads a block, in place of the size's; divides the width.
        front: what is before the blocks: a "convolution", or "patch" for non-overlapping patches
            of 16 frames by 16 bins, each a token of its own.
        stem_channels: of the convolutions before the blocks; each halves the 100 Hz frame rate.
            Not looked at with patches.
        dropout: behind attention and feed-forward, 0 to 1.
    """

    size: Literal["mini", "S", "B"] = "mini"
    sample_rate: SampleRate = 16000
    mel_bins: PositiveInt = 80
    dim: PositiveInt | None = None
    layers: NonNegativeInt | None = None
    heads: PositiveInt | None = None
    front: Literal["convolution", "patch"] = "convolution"
    stem_channels: Annotated[tuple[PositiveInt, ...], Meta(min_length=1)] = (16, 32, 64, 128)
    dropout: Share = 0.1

    @property
    def shape(self) -> TransformerShape:
        """The size's dimensions, with those that are given by themselves in their place."""
        size = TRANSFORMER_SHAPES[self.size]
        return TransformerShape(
            size.dim if self.dim is None else self.dim,
            size.layers if self.layers is None else self.layers,
            size.heads if self.heads is None else self.heads,
        )

    def check(self) -> None:
        """Refuse dimensions that do not fit each other.

        Raises:
            ConfigError: `heads` does not divide `dim`, the sample rate has no room for the mel
                bins, or patches do not tile them.
        """
        dim, _, heads = self.shape
        if dim % heads:
            fitting = [number for number in range(1, dim + 1) if dim % number == 0]
            closest = min(fitting, key=lambda number: abs(number - heads))
            raise ConfigError(
                f"heads = {heads} does not divide dim = {dim}; the nearest number that does is "
                f"{closest}."
            )
        if self.front == "patch" and self.mel_bins % PATCH_SIZE:
            closest = max(PATCH_SIZE, round(self.mel_bins / PATCH_SIZE) * PATCH_SIZE)
            raise ConfigError(
                f"mel_bins = {self.mel_bins} cannot be cut into patches of {PATCH_SIZE} bins; the "
                f"nearest number that can is {closest}."
            )
        check_mel_bins(self.sample_rate, self.mel_bins)


class ZipformerShape(Config, frozen=True, kw_only=True):
    """The dimensions of a Zipformer2 (arXiv 2310.11230), one number a stack where a tuple is.

    As it stands that of Zipformer-M (PAPER section 3): 65.9M parameters, 512-d, 25 Hz.

    Args:
        stem_channels: of the three convolutions before the stacks.
        layers: blocks of each stack.
        dims: width of each stack; the encoder's is the largest.
        feed_forward_dims: width inside the feed-forward of each stack.
        heads: attention heads of each stack.
        query_head_dim: width of a head's queries and keys.
        value_head_dim: width of a head's values.
        position_head_dim: width of a head's positional queries.
        position_dim: width of the relative positional encoding.
        kernels: odd widths of the depthwise convolutions of each stack, frames.
        downsampling: how many 50 Hz frames are one in each stack.
        output_downsampling: how many 50 Hz frames are one at the output.
    """

    stem_channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (8, 32, 128)
    layers: Stacks = (2, 2, 3, 4, 3, 2)
    dims: WideStacks = (192, 256, 384, 512, 384, 256)
    feed_forward_dims: WideStacks = (576, 768, 1152, 1536, 1152, 768)
    heads: Stacks = (4, 4, 4, 8, 4, 4)
    query_head_dim: PositiveInt = 32
    value_head_dim: PositiveInt = 12
    position_head_dim: PositiveInt = 4
    position_dim: PositiveInt = 48
    kernels: Stacks = (31, 31, 15, 15, 15, 31)
    downsampling: Stacks = (1, 2, 4, 8, 4, 2)
    output_downsampling: PositiveInt = 2

    def check(self) -> None:
        """Refuse numbers that are not one a stack, and kernels and encodings of odd shape.

        Raises:
            ConfigError: naming the field, the value and what it should be.
        """
        stacks = len(self.dims)
        for name in PER_STACK_SETTINGS:
            given: tuple[int, ...] = getattr(self, name)
            if len(given) != stacks:
                raise ConfigError(
                    f"{name} = {list(given)} has {len(given)} numbers, but dims has {stacks}: give "
                    "one for each stack."
                )
        for kernel in self.kernels:
            if kernel % 2 == 0:
                raise ConfigError(
                    f"kernels = {list(self.kernels)}: {kernel} is even, but a kernel should have "
                    f"as many frames to either side; give {kernel + 1}."
                )
        if self.position_dim % 2:
            raise ConfigError(
                f"position_dim = {self.position_dim} should be even, for its cosines and sines; "
                f"give {self.position_dim + 1}."
            )


PER_STACK_SETTINGS = ("layers", "feed_forward_dims", "heads", "kernels", "downsampling")
"""Settings of a Zipformer that have one number a stack, as `dims` has."""

MIN_STEM_MEL_BINS = 7
"""The fewest of which Zipformer's convolutions leave one."""


class ZipformerConfig(Config, frozen=True, kw_only=True, tag="zipformer", tag_field="kind"):
    """Zipformer2 on Kaldi log-mel: the paper's encoder (arXiv 2310.11230; PAPER section 3).

    Args:
        size: "M" (65.9M parameters, 512-d) as the paper's, "L" (152.7M, 768-d), or "S" (9.6M)
            for a CPU.
        shape: instead of a size, every dimension.
        sample_rate: what it listens to, Hz.
        mel_bins: log-mel channels.
        dropout: of feed-forward, convolution and attention at the end of its schedule, 0 to 1.
    """

    size: Literal["S", "M", "L"] = "M"
    shape: ZipformerShape | None = None
    sample_rate: SampleRate = 16000
    mel_bins: Annotated[int, Meta(ge=MIN_STEM_MEL_BINS)] = 80
    dropout: Share = 0.1

    def check(self) -> None:
        """Refuse mel bins that the sample rate has no room for. Raises ConfigError."""
        check_mel_bins(self.sample_rate, self.mel_bins)


class HuggingFaceConfig(Config, frozen=True, kw_only=True, tag="huggingface", tag_field="kind"):
    """An audio model of `transformers`: AST, Whisper's encoder, wav2vec2 and its kin, CLAP's tower.

    Args:
        model: a model hub's name, or a folder that save_pretrained wrote.
        revision: of the hub's repository.
        layer: whose frames are taken; -1 is the last, with the model's own final norm.
        pretrained: whether the weights are taken over; else they are drawn afresh.
        architecture: config.json and preprocessor_config.json of the model as JSON; filled in when
            it is first built, so that a checkpoint is loaded without the model hub.
    """

    model: str = ""
    revision: str | None = None
    layer: int = -1
    pretrained: bool = True
    architecture: str = ""

    @property
    def packages(self) -> tuple[Package, ...]:
        """The models' code."""
        return (Package("transformers", "transformers"),)

    def check(self) -> None:
        """Refuse a model that is nowhere, unless its `architecture` is known already.

        Raises:
            ConfigError: no model is named, or it is a path to no folder.
        """
        if self.architecture:
            return
        if not self.model:
            raise ConfigError(
                "model is empty: give a model hub's name, such as 'openai/whisper-base', or a "
                "folder that save_pretrained wrote."
            )
        check_model("model", self.model, "openai/whisper-base")


def check_model(setting: str, model: str, example: str) -> None:
    """Refuse a path that leads to no folder; whether a hub knows a name is not asked.

    Raises:
        ConfigError: naming the setting, and `example`, a name that a hub knows.
    """
    if model[:1] in ("/", ".", "~") and not Path(model).is_dir():
        home = " '~' is not expanded: write the path out." if model[0] == "~" else ""
        raise ConfigError(
            f"{setting} = {model!r}: no such folder.{home} Give a folder that save_pretrained "
            f"wrote, or a model hub's name, such as {example!r}."
        )


EncoderConfig = TransformerConfig | ZipformerConfig | HuggingFaceConfig

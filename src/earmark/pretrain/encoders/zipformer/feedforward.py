"""The modules of a layer that see one frame, or a few neighbours: feed-forward and convolution."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.pretrain.encoders.zipformer.activations import SHIFT_L, SHIFT_R, swoosh_l, swoosh_r
from earmark.pretrain.encoders.zipformer.linear import scaled_linear
from earmark.pretrain.encoders.zipformer.schedule import Rates, kept_channels


class FeedForward(nn.Module):
    """Linear, SwooshL, linear."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(dim, hidden_dim)
        self.project_out = scaled_linear(hidden_dim, dim, 0.1)

    def forward(
        self, frames: Float[Tensor, "batch frames dim"], rates: Rates | None
    ) -> Float[Tensor, "batch frames dim"]:
        """Return what is to be added to the frames."""
        linear = self.project_in
        shifted = functional.linear(frames, linear.weight, linear.bias - SHIFT_L)
        kept = kept_channels(shifted, rates, "feed_forward")
        return self.project_out(swoosh_l(shifted, kept))


class Convolution(nn.Module):
    """A gated linear unit, a depthwise convolution over time, SwooshR, linear.

    Args:
        dim: width of a frame.
        kernel: of the convolution, frames; odd.
    """

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(dim, 2 * dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.project_out = scaled_linear(dim, dim, 0.05)

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        mask: Bool[Tensor, "batch frames"],
        rates: Rates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return what is to be added to the frames; where `mask` is False they count as zero."""
        gated = functional.glu(self.project_in(frames), dim=-1)
        gated.masked_fill_(~mask.unsqueeze(-1), 0.0)
        # As a plane one pixel wide the frames lie in channels-last order as they are, for which
        # CPU kernels are some thirty times faster than Conv1d's.
        plane = gated.transpose(1, 2).unsqueeze(2)
        kernel = self.depthwise
        assert kernel.bias is not None
        shifted = functional.conv2d(
            plane,
            kernel.weight.unsqueeze(2),
            kernel.bias - SHIFT_R,
            padding=(0, kernel.kernel_size[0] // 2),
            groups=kernel.groups,
        )
        shifted = shifted.squeeze(2).transpose(1, 2)
        return self.project_out(swoosh_r(shifted, kept_channels(shifted, rates, "convolution")))

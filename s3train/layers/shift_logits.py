"""The last linear layer: integers out, no rounding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3train.layers.exact_sums import exact_sums
from s3train.layers.shift_block import FormatSource
from s3train.reparam.straight_through import straight_through


class ShiftLogits(nn.Module):
    """``logits = W·x + β`` with β on the input's grid ``2^-f``.

    Parameters
    ----------
    layer : Linear
        Without bias; its weight is parametrized.
    source : callable
        Gives the format of the input.
    """

    def __init__(self, layer: nn.Linear, *, source: FormatSource) -> None:
        super().__init__()
        self.layer = layer
        self.beta = nn.Parameter(torch.zeros(layer.out_features))
        self.source = source

    def bias_integer(self) -> Tensor:
        """Return ``floor(β·2^f + 1/2)``, int64."""
        return torch.floor(torch.ldexp(self.beta.detach().double(), torch.tensor(self.source().exponent)) + 0.5).long()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (images, classes); in evaluation exact, in float64 where float32 does not have them."""
        if not self.training:
            bias = self.bias_integer()
            sums = exact_sums(self.layer, x, self.source(), int(bias.abs().max()))
            return sums + torch.ldexp(bias.to(sums.dtype), torch.tensor(-self.source().exponent))
        grid = 2.0 ** self.source().exponent
        beta = straight_through(self.beta, torch.floor(self.beta.detach() * grid + 0.5) / grid)
        result: Tensor = self.layer(x) + beta
        return result

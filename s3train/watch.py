"""What a training of shift weights shows: zeros, sign flips, exponents, gradients of the latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3train.reparam import S3, method_of, weight_methods


class Watch:
    """Remembers the signs at the start of a run.

    Parameters
    ----------
    model : Module
        The model, at its start.
    """

    def __init__(self, model: nn.Module) -> None:
        self.start = {name: _signs(layer) for name, layer, _, _ in weight_methods(model)}

    @torch.no_grad()
    def layers(self, model: nn.Module) -> dict[str, dict[str, float]]:
        """Return for every layer ``zeros``, ``sign_flips`` and ``shift_<k>``: shares of all its weights.

        A weight that is 0 now or was 0 at the start counts as flipped if the sign it would have differs; for methods
        without a sign of their own, 0 counts as positive.
        """
        found: dict[str, dict[str, float]] = {}
        for name, layer, _, _ in weight_methods(model):
            weight: Tensor = layer.weight.detach()  # type: ignore[operator]
            size = weight.abs()
            row = {
                "zeros": float((size == 0).float().mean()),
                "sign_flips": float((_signs(layer) != self.start[name].to(weight.device)).float().mean()),
            }
            for k in range(int(size.max().clamp_min(1).log2().floor()) + 1):
                row[f"shift_{k}"] = float(((size >= 2**k) & (size < 2 ** (k + 1))).float().mean())
            found[name] = row
        return found

    def summary(self, model: nn.Module) -> dict[str, float]:
        """Return ``zeros`` and ``sign_flips`` over all layers, and every layer's under ``layer/…``."""
        rows = self.layers(model)
        sizes = {name: layer.weight.numel() for name, layer, _, _ in weight_methods(model)}  # type: ignore[operator]
        total = sum(sizes.values())
        out = {
            key: sum(rows[name][key] * sizes[name] for name in rows) / total for key in ("zeros", "sign_flips") if total
        }
        for name, row in rows.items():
            out.update({f"{key}/{name}": value for key, value in row.items()})
        return out

    @staticmethod
    def gradients(model: nn.Module) -> dict[str, float]:
        """Return the norm of the gradient of each of a layer's latents under ``gradient/…``."""
        out = {}
        for name, _, method, latents in weight_methods(model):
            if latents.grad is None:
                continue
            parts = latents.grad if method.LATENT else latents.grad[None]
            for index, part in enumerate(parts):
                out[f"gradient/{name}/{index}"] = float(part.norm())
        return out


@torch.no_grad()
def _signs(layer: nn.Module) -> Tensor:
    """Return where a layer's weights are not negative, by the sign's own latent where there is one."""
    if isinstance(method_of(layer), S3):
        latents: Tensor = layer.parametrizations["weight"].original  # type: ignore[index, union-attr]
        return latents[0] >= 0
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return weight >= 0

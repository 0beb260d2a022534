"""What conversion takes of pools, in one and two dimensions."""

from __future__ import annotations

from typing import Any

from torch import nn

from s3train.formats import UnsupportedModelError

MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)


def check_max_pool(name: str, pool: nn.Module) -> None:
    """Raise :class:`UnsupportedModelError` for a max pool with dilation, indices, or a last window that is cut off."""
    assert isinstance(pool, MAX_POOLS)
    dilation = pool.dilation if isinstance(pool.dilation, int) else max(pool.dilation)
    if dilation != 1 or pool.ceil_mode:
        raise UnsupportedModelError(f"{name}: max pool with dilation or ceil_mode, supported is neither")
    if pool.return_indices:
        raise UnsupportedModelError(f"{name}: max pool that returns indices, supported is one without")


def pool_size(pool: nn.Module, field: str) -> tuple[int, int]:
    """Return a field of a pool as (height, width); what is 1-D is a row of height 1, and has no padding above."""
    value: Any = getattr(pool, field)
    if field == "stride" and value is None:
        value = pool.kernel_size
    if isinstance(pool, nn.MaxPool1d | nn.AvgPool1d):
        width = value if isinstance(value, int) else int(value[0])
        return (0 if field == "padding" else 1, width)
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def average_window(name: str, pool: nn.Module) -> tuple[int, int] | None:
    """Return the window of an average pool, which is its stride too, or ``None`` for that of the whole map.

    Raises
    ------
    UnsupportedModelError
        If windows overlap, or go beyond the map, or the pool has a divisor of its own.
    """
    if isinstance(pool, nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d):
        if pool.output_size not in (1, (1,), (1, 1), [1, 1]):
            raise UnsupportedModelError(f"{name}: adaptive pool to {pool.output_size}, supported is 1")
        return None
    assert isinstance(pool, nn.AvgPool1d | nn.AvgPool2d)
    kernel, stride, padding = (pool_size(pool, field) for field in ("kernel_size", "stride", "padding"))
    divisor = getattr(pool, "divisor_override", None)
    settings = {
        f"stride {stride}": stride != kernel,
        f"padding {padding}": padding != (0, 0),
        "ceil_mode": pool.ceil_mode,
        f"divisor {divisor}": divisor is not None,
    }
    found = " and ".join(text for text, there in settings.items() if there)
    if found:
        raise UnsupportedModelError(
            f"{name}: average pool of {kernel} with {found}, supported are windows side by side"
        )
    return kernel

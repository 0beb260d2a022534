"""What real images make of a network's bits: ranges, clipping, dead channels, weights that do nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph import AddressShift, ChannelShift, Concatenation, Convolution, Logits, MaxPool, Network, Polyphase, Tensor

CLIPPED = 0.01
"""Share of a tensor's numbers at an end of its range from which on it is warned of."""

_KEEPS_RANGE = (MaxPool, Concatenation, ChannelShift, AddressShift, Polyphase)
"""Operations that store numbers as their operands are stored: nobody can choose another range for them."""


@dataclass(frozen=True)
class TensorProfile:
    """A stored tensor on some images.

    Attributes
    ----------
    tensor, bits : str, int
        Name and width.
    low, high : float
        Least and greatest value, in real numbers.
    range_low, range_high : float
        Ends of what it could hold.
    used_bits : int
        Width that its greatest magnitude needs.
    zeros : float
        Share of numbers that stand for 0.
    clipped : float
        Share of numbers at the upper end, or the lower end of a signed tensor.
    channels, dead : int
        Channels, and those that are the same number in every place of every image.
    warning : str
        What to do about it, or empty.
    """

    tensor: str
    bits: int
    low: float
    high: float
    range_low: float
    range_high: float
    used_bits: int
    zeros: float
    clipped: float
    channels: int
    dead: int
    warning: str = ""


@dataclass(frozen=True)
class WeightProfile:
    """A layer's weights.

    Attributes
    ----------
    layer, alphabet : str
        Name, and its set of values.
    count : int
        Weights.
    zeros : float
        Share of weights that are 0.
    histogram : dict
        Number of weights of every value.
    unused : int
        Output channels whose weights are all 0.
    warning : str
        What to do about it, or empty.
    """

    layer: str
    alphabet: str
    count: int
    zeros: float
    histogram: dict[int, int]
    unused: int
    warning: str = ""


@dataclass(frozen=True)
class Profile:
    """The profile of a network on ``images`` images."""

    network: str
    images: int
    tensors: tuple[TensorProfile, ...]
    weights: tuple[WeightProfile, ...]

    @property
    def warnings(self) -> list[str]:
        """Return all warnings, each with the name of its tensor or layer."""
        return [f"{t.tensor}: {t.warning}" for t in self.tensors if t.warning] + [
            f"{w.layer}: {w.warning}" for w in self.weights if w.warning
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the profile as JSON types."""
        return {**asdict(self), "warnings": self.warnings}


def profile(network: Network, images: NDArray[np.uint8]) -> Profile:
    """Run images through the integer reference and look at every stored number.

    Parameters
    ----------
    network : Network
        The integer network.
    images : uint8 (images, channels, height, width)
        Stored numbers of the input, real images.

    Raises
    ------
    ValueError
        If there is no image, or the images are of another form.
    """
    if not len(images):
        raise ValueError("a profile needs at least one image")
    stored = network.run(images)
    names = [network.input, *(node.output for node in network.nodes if node.output in network.tensors)]
    given = {network.input, *(node.output for node in network.nodes if isinstance(node, _KEEPS_RANGE))}
    tensors = tuple(_tensor(network.tensor(name), stored[name], given=name in given) for name in names)
    weighted = [node for node in network.nodes if isinstance(node, Convolution | Logits)]
    return Profile(network.name, len(images), tensors, tuple(_weights(node) for node in weighted))


def _tensor(tensor: Tensor, values: NDArray[np.uint8], *, given: bool) -> TensorProfile:
    """Return the profile of a tensor; ``given``: its range is the input's, or that of what it is made of."""
    zero, top = tensor.zero_point, tensor.maximum
    low, high = int(values.min()), int(values.max())
    # The magnitude that a number of one bit less could still hold.
    reach = max(high - zero, zero - 1 - low)
    used = max(0, reach).bit_length() + (zero > 0)
    clipped = float(((values == top) | ((values == 0) & (zero > 0))).mean())
    channels = values.transpose(1, 0, 2, 3).reshape(values.shape[1], -1)
    dead = int((channels == channels[:, :1]).all(axis=1).sum())
    scale = 2.0**-tensor.exponent
    warnings = []
    if clipped > CLIPPED and not given:
        warnings.append(f"{clipped:.1%} of its numbers are at the end of the range: an exponent less would clip fewer")
    elif used < tensor.bits and not given:
        lost = tensor.bits - used
        warnings.append(f"{lost} of its {tensor.bits} bits are never used: an exponent of {lost} more would use them")
    if dead:
        warnings.append(f"{dead} of its {tensor.channels} channels never change: they can be left out")
    return TensorProfile(
        tensor.name,
        tensor.bits,
        (low - zero) * scale,
        (high - zero) * scale,
        -zero * scale,
        (top - zero) * scale,
        used,
        float((values == zero).mean()),
        clipped,
        tensor.channels,
        dead,
        "; ".join(warnings),
    )


def _weights(node: Convolution | Logits) -> WeightProfile:
    values, counts = np.unique(node.weight, return_counts=True)
    zeros = float((node.weight == 0).mean())
    unused = int((node.weight.reshape(len(node.weight), -1) == 0).all(axis=1).sum())
    warnings = []
    if unused:
        warnings.append(f"{unused} of its {len(node.weight)} output channels have no weight but 0: leave them out")
    largest = int(np.abs(node.weight).max())
    if node.alphabet.shifts and 0 < largest < 1 << node.alphabet.max_shift:
        warnings.append(
            f"its largest weight is {largest}, the alphabet {node.alphabet} has {1 << node.alphabet.max_shift}"
        )
    histogram = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    return WeightProfile(node.name, str(node.alphabet), node.weight.size, zeros, histogram, unused, "; ".join(warnings))

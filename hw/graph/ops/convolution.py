"""Convolution with shift weights, and everything that is one: hidden linear layers, depthwise, projections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.alphabet import Alphabet
from hw.graph.errors import need
from hw.graph.ops.fields import Arrays, Fields, padding_field, rescale_arrays, weight_fields
from hw.graph.ops.window import Padding, Tensors, Values, blocks, check_window, check_wrap, lookup, windows
from hw.graph.rescale import Rescale
from hw.graph.tensor import MAX_WEIGHTS


@dataclass(frozen=True, eq=False)
class Convolution:
    """``acc = Σ w·(u - z)`` over the window, then the output formula with an optional residual operand.

    Parameters
    ----------
    name, input, output : str
        Name of the node, of the tensor it reads and of the one it stores.
    weight : int32 (C_out, C_in / groups, kh, kw)
        Weight values, all in ``alphabet``. A linear layer's kernel covers the whole map.
    alphabet : Alphabet
        The layer's weight alphabet.
    stride : (int, int)
        Vertical and horizontal step.
    padding : Padding
        Outside the map an element is ``z`` (or the map wraps around where ``circular``).
    groups : int
        Channel groups; ``C_in`` for a depthwise convolution.
    rescale : Rescale
        Output formula.
    residual : str or None
        Tensor of the output's shape that is added before the rounding.
    """

    name: str
    input: str
    output: str
    weight: NDArray[np.int32]
    alphabet: Alphabet
    stride: tuple[int, int]
    padding: Padding
    groups: int
    circular: bool
    rescale: Rescale
    residual: str | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that are read."""
        return (self.input,) if self.residual is None else (self.input, self.residual)

    def validate(self, tensors: Tensors) -> None:
        """Raise ``NetworkError`` naming node and field unless the node is sound."""
        source = lookup(self.name, "input", self.input, tensors)
        output = lookup(self.name, "output", self.output, tensors)
        check_weight(self.name, self.weight, self.alphabet)
        out, per_group, kh, kw = self.weight.shape
        need(
            self.groups >= 1 and out % self.groups == 0 and per_group * self.groups == source.channels,
            f"node {self.name!r}: weight {self.weight.shape} with {self.groups} groups does not fit "
            f"{source.channels} input channels",
        )
        need(out == output.channels, f"node {self.name!r}: {out} filters for {output.channels} output channels")
        check_window(self.name, (kh, kw), self.stride, self.padding, source, output)
        if self.circular:
            check_wrap(self.name, self.padding, source)
        self.rescale.validate(self.name, out, residual=self.residual is not None)
        other = (0, 0)
        if self.residual is not None:
            tensor = lookup(self.name, "residual", self.residual, tensors)
            need(
                tensor.shape == output.shape,
                f"node {self.name!r}: residual is {tensor.shape}, the output {output.shape}",
            )
            other = (-tensor.zero_point, tensor.maximum - tensor.zero_point)
        low, high = self.accumulator_bounds(source.maximum)
        # Around the zero point instead of 0 the magnitudes are no larger than the hull's span.
        self.rescale.check_total(self.name, low - high, high - low, other)

    def accumulator_bounds(self, maximum: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ends (C_out,) between which every partial sum of ``Σ w·u`` lies, for ``u`` up to ``maximum``."""
        return weight_bounds(self.weight, maximum)

    def to_fields(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fields and arrays of a file."""
        fields, arrays = weight_fields(self.name, self.alphabet, self.weight)
        fields |= {
            "input": self.input,
            "output": self.output,
            "stride": list(self.stride),
            "padding": padding_field(self.padding),
            "groups": self.groups,
            "circular": self.circular,
            "residual": self.residual,
        }
        return fields, arrays | rescale_arrays(self.rescale)

    @classmethod
    def from_fields(cls, name: str, fields: Fields) -> Convolution:
        """Return the node of a file's fields."""
        source, output = fields.take("input", str), fields.take("output", str)
        stride, padding = fields.pair("stride"), fields.padding()
        groups, circular = fields.take("groups", int), fields.take("circular", bool)
        residual = fields.take("residual", (str, type(None)))
        alphabet, weight = fields.weight()
        rescale = fields.rescale(len(weight))
        return cls(name, source, output, weight, alphabet, stride, padding, groups, circular, rescale, residual)

    def work(self, tensors: Tensors) -> int:
        """Return the additions for an image."""
        return tensors[self.output].height * tensors[self.output].width * self.weight.size

    def run(self, values: Values, tensors: Tensors) -> NDArray[np.uint8]:
        """Return the stored output (images, C_out, height, width)."""
        source, output = tensors[self.input], tensors[self.output]
        x = values[self.input].astype(np.int64) - source.zero_point
        out, per_group, kh, kw = self.weight.shape
        view = windows(x, (kh, kw), self.stride, self.padding, 0, circular=self.circular)
        images, _, height, width = view.shape[:4]
        acc = np.empty((images, out, height, width), np.int64)
        outs = out // self.groups
        for g in range(self.groups):
            channels, filters = slice(g * per_group, (g + 1) * per_group), slice(g * outs, (g + 1) * outs)
            matrix = self.weight[filters].reshape(outs, -1).T.astype(np.int64)
            for rows, columns in blocks(height, width, images * len(matrix)):
                part = view[:, channels, rows, columns].transpose(0, 2, 3, 1, 4, 5)
                sums = part.reshape(-1, len(matrix)) @ matrix
                acc[:, filters, rows, columns] = sums.reshape(*part.shape[:3], outs).transpose(0, 3, 1, 2)
        r: NDArray[np.int64] | int = 0
        if self.residual is not None:
            r = values[self.residual].astype(np.int64) - tensors[self.residual].zero_point
        return self.rescale.apply(acc, r, output)


def check_weight(node: str, weight: NDArray[np.int32], alphabet: Alphabet) -> None:
    """Raise ``NetworkError`` unless ``weight`` has four dimensions, a sane size, and values of the alphabet."""
    need(
        isinstance(weight, np.ndarray) and weight.dtype == np.int32 and weight.ndim == 4 and weight.size > 0,
        f"node {node!r}: weight must be a 32-bit integer array (C_out, C_in / groups, kh, kw)",
    )
    need(weight.size <= MAX_WEIGHTS, f"node {node!r}: weight has more than {MAX_WEIGHTS} elements")
    unknown = weight[~np.isin(weight, np.array(alphabet.values), kind="table")]
    need(not unknown.size, f"node {node!r}: weight {unknown[:1]} is not in the alphabet {alphabet} {alphabet.values}")


def weight_bounds(weight: NDArray[np.int32], maximum: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ends of all partial sums of ``Σ w·u`` per filter, 0 included."""
    rows = weight.reshape(len(weight), -1)
    low, high = np.minimum(rows, 0), np.maximum(rows, 0)
    return low.sum(axis=1, dtype=np.int64) * maximum, high.sum(axis=1, dtype=np.int64) * maximum

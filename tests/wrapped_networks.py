"""Random networks of maps that wrap around: circular windows and shifts, polyphase sampling, tables and balances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hw.graph import (
    AddressShift,
    Alphabet,
    AveragePool,
    Balance,
    Concatenation,
    Convolution,
    Logits,
    MaxPool,
    Network,
    Padding,
    Polyphase,
    Rescale,
    Table,
    Tensor,
)
from tests.choosers import Chooser, SeededChooser
from tests.strategies import Builder


class WrappedBuilder(Builder):
    """Adds operations one after another; every method returns the tensor that the next one reads."""

    table: np.ndarray | None = None

    def wrapped(self, source: Tensor, *, unsigned: bool = False, like: Tensor | None = None) -> Tensor:
        """A convolution that wraps around; ``like``: with that tensor as its residual operand and its shape."""
        choose = self.choose
        kh, kw = choose.integer(1, min(3, source.height)), choose.integer(1, min(3, source.width))
        strides = choose.integer(0, 3) == 0 and like is None
        stride = (choose.integer(1, 2), choose.integer(1, 2)) if strides else (1, 1)
        stride = (min(stride[0], source.height), min(stride[1], source.width))
        top, left = choose.integer(0, kh - 1), choose.integer(0, kw - 1)
        # As large as before, or half as large.
        padding = Padding(top, kh - 1 - top, left, kw - 1 - left)
        height, width = (source.height - 1) // stride[0] + 1, (source.width - 1) // stride[1] + 1
        out = choose.integer(1, 12) if like is None else like.channels
        weight, alphabet = self.weight((out, source.channels, kh, kw))
        output = self.store(out, height, width, signed=not unsigned and choose.integer(0, 3) == 0)
        spread = np.abs(weight).reshape(out, -1).sum(axis=1) * source.maximum / 2
        rescale = self.rescale(spread, output, residual=like is not None)
        name = f"wrapped{len(self.nodes)}"
        self.nodes.append(
            Convolution(
                name, source.name, output.name, weight, alphabet, stride, padding, 1, True, rescale,
                None if like is None else like.name,
            )
        )  # fmt: skip
        return output

    def sampled(self, source: Tensor) -> Tensor:
        """A sample that a convolution reads, or with a second one of another map that takes its phase again."""
        if source.zero_point or source.height % 2 or source.width % 2 or source.name == "t0":
            if source.height % 2 or source.width % 2:
                return self.wrapped(source)
            before = self.wrapped(source, unsigned=True)
            return before if before.height % 2 or before.width % 2 else self.sampled(before)
        sample = self.sample(source, source)
        kind = self.choose.integer(0, 3)
        if kind == 0:
            others = [t for t in self.stored() if t.shape[1:] == source.shape[1:]]
            other = self.sample(self.choose.choice(others), source)
            return self.wrapped(sample, like=self.side(other, self.choose.integer(1, 12), None))
        if kind == 1:
            return self.moved(sample)
        if kind == 2:
            return self.pooled(sample)
        return self.wrapped(sample)

    def sample(self, source: Tensor, guide: Tensor) -> Tensor:
        name = f"t{len(self.tensors)}"
        output = replace(source, name=name, height=source.height // 2, width=source.width // 2)
        self.tensors[name] = output
        self.nodes.append(Polyphase(f"sample{len(self.nodes)}", source.name, name, guide.name))
        return output

    def stored(self) -> list[Tensor]:
        """Maps that are neither the image nor a sample or a shift of another one."""
        views = {node.output for node in self.nodes if isinstance(node, Polyphase | AddressShift)}
        return [t for t in self.tensors.values() if t.name not in views | {"t0"}]

    def moved(self, source: Tensor) -> Tensor:
        """An address shift that wraps around, before a convolution of 1 x 1."""
        choose = self.choose
        output = replace(source, name=f"t{len(self.tensors)}")
        self.tensors[output.name] = output
        groups = choose.choice([g for g in range(1, source.channels + 1) if source.channels % g == 0])
        offsets = tuple((choose.integer(-1, 1), choose.integer(-1, 1)) for _ in range(groups))
        self.nodes.append(AddressShift(f"move{len(self.nodes)}", source.name, output.name, offsets, circular=True))
        return self.side(output, choose.integer(1, 12), None)

    def joined(self, source: Tensor) -> Tensor:
        """A concatenation, and a convolution of one of its parts with the whole as its residual operand."""
        whole = self.concatenate(source)
        join = self.nodes[-1]
        assert isinstance(join, Concatenation)
        return self.side(self.tensors[self.choose.choice(join.inputs)], whole.channels, None, residual=whole)

    def pooled(self, source: Tensor) -> Tensor:
        """A max pool of stride 1 that wraps around."""
        kernel = (self.choose.integer(1, min(2, source.height)), self.choose.integer(1, min(2, source.width)))
        output = replace(source, name=f"t{len(self.tensors)}")
        self.tensors[output.name] = output
        padding = Padding(0, kernel[0] - 1, 0, kernel[1] - 1)
        self.nodes.append(
            MaxPool(f"pool{len(self.nodes)}", source.name, output.name, kernel, (1, 1), padding, circular=True)
        )
        return output

    def balanced(self, trunk: Tensor) -> Tensor:
        """A mean, a linear layer, a table, and the balance."""
        channels = trunk.channels
        mean = replace(trunk, name=f"t{len(self.tensors)}", height=1, width=1)
        self.tensors[mean.name] = mean
        zero = np.zeros(channels, np.int64)
        size = (trunk.height * trunk.width - 1).bit_length()
        formula = Rescale(zero, zero, zero + size, zero, zero, zero + ((1 << size) >> 1))
        kernel = (trunk.height, trunk.width)
        self.nodes.append(
            AveragePool(f"mean{len(self.nodes)}", trunk.name, mean.name, kernel, (1, 1), Padding(), formula)
        )
        before = self.side(mean, channels, replace(mean, bits=self.bits, zero_point=1 << self.bits - 1))
        if self.table is None:
            self.table = self.choose.generator().integers(0, before.maximum + 1, before.maximum + 1).astype(np.uint8)
        attention = replace(before, name=f"t{len(self.tensors)}")
        self.tensors[attention.name] = attention
        self.nodes.append(Table(f"table{len(self.nodes)}", before.name, attention.name, self.table))
        output = self.store(*trunk.shape, signed=self.choose.integer(0, 3) == 0)
        sign = self.choose.generator().integers(-1, 2, channels).astype(np.int8)
        rescale = self.rescale(np.full(channels, trunk.maximum), output, residual=True)
        self.nodes.append(Balance(f"balance{len(self.nodes)}", attention.name, trunk.name, output.name, sign, rescale))
        return output


def build(
    choose: Chooser, *, bits: int = 8, alphabets: Sequence[Alphabet] = (), image_bits: int | None = None
) -> Network:
    """Return a random valid network; parameters as of :func:`tests.strategies.build`."""
    alphabets = alphabets or tuple(Alphabet.s3(b) for b in (2, 3, 4))
    builder = WrappedBuilder(choose, bits, alphabets)
    now = builder.store(choose.integer(1, 4), 2 * choose.integer(1, 4), 2 * choose.integer(1, 4))
    if image_bits is not None:
        now = replace(now, bits=image_bits)
        builder.tensors[now.name] = now
    now = builder.wrapped(now)
    for _ in range(choose.integer(1, 4)):
        kinds = ("sampled", "sampled", "sampled", "wrapped", "balanced", "pooled", "moved", "convolution", "joined")
        kind = choose.choice(kinds)
        now = getattr(builder, kind)(now)
    if choose.integer(0, 2) == 0 and not now.zero_point and now.height % 2 == now.width % 2 == 0:
        now = builder.sample(now, now)
    classes = choose.integer(1, 12)
    weight, alphabet = builder.weight((classes, *now.shape))
    bias = choose.generator().integers(-1000, 1000, classes)
    builder.nodes.append(Logits("logits", now.name, weight, alphabet, bias.astype(np.int64), now.exponent))
    network = Network("wrapped", "t0", builder.tensors, tuple(builder.nodes))
    network.validate()
    return network


def wrapped_network(seed: int, **options: Any) -> Network:
    """Return the random network of a seed."""
    return build(SeededChooser(seed), **options)

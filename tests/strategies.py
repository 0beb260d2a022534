"""Random but valid integer networks, drawn by hypothesis or by a seeded generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from hw.graph import (
    Add,
    AddressShift,
    Alphabet,
    AveragePool,
    ChannelShift,
    Concatenation,
    Convolution,
    Logits,
    MaxPool,
    Network,
    Node,
    Padding,
    Rescale,
    Tensor,
)
from tests.choosers import Chooser, DrawnChooser, SeededChooser

T = TypeVar("T")


class Builder:
    """Adds random operations one after another; every method returns the tensor that the next one reads."""

    def __init__(self, choose: Chooser, bits: int, alphabets: Sequence[Alphabet]) -> None:
        self.choose = choose
        self.bits = bits
        self.alphabets = alphabets
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []

    def store(self, channels: int, height: int, width: int, *, signed: bool = False) -> Tensor:
        bits = self.choose.choice([b for b in (8, 4, 3, 2) if b <= self.bits])
        name = f"t{len(self.tensors)}"
        zero = 1 << bits - 1 if signed else 0
        tensor = Tensor(name, channels, height, width, bits, zero, self.choose.integer(-2, 6))
        self.tensors[name] = tensor
        return tensor

    def weight(self, shape: tuple[int, ...]) -> tuple[np.ndarray, Alphabet]:
        alphabet = self.choose.choice(self.alphabets)
        values = self.choose.generator().choice(np.array(alphabet.values), size=shape)
        if self.choose.integer(0, 9) == 0:
            values = np.full(shape, self.choose.choice(alphabet.values))
        return values.astype(np.int32), alphabet

    def rescale(self, spread: np.ndarray, output: Tensor, *, residual: bool) -> Rescale:
        """A formula that maps sums of size ``spread`` (channels,) onto about the output's range."""
        rng = self.choose.generator()
        n = len(spread)
        t = rng.integers(-1, 2, n) if self.choose.integer(0, 1) else np.zeros(n, np.int64)
        j = np.where(t == 0, 0, rng.integers(1, 5, n))
        s = np.clip(np.log2(np.maximum(spread, 1)) - output.bits + 1 + j + rng.integers(-1, 2, n), 0, 16)
        s = s.astype(np.int64)
        p = np.zeros(n, np.int64)
        k = np.zeros(n, np.int64)
        if residual:
            s = np.full(n, int(s.max()))
            p = rng.integers(0, 3, n)
            k = np.full(n, min(15, max(0, int(s[0]) - self.choose.integer(0, 2))))
        bias = (rng.normal(size=n) * (1 << output.bits - 2) * (1 << s)).astype(np.int64)
        return Rescale(t.astype(np.int64), j.astype(np.int64), s, p, k, np.clip(bias, -(2**30), 2**30))

    def convolution(self, source: Tensor, *, kernel: tuple[int, int] | None = None, full: bool = False) -> Tensor:
        choose = self.choose
        if full:
            kh, kw, stride, padding = source.height, source.width, (1, 1), Padding()
        else:
            kh, kw = kernel or (
                choose.integer(1, min(3, source.height)),
                choose.integer(1, min(3, source.width)),
            )
            stride = (choose.integer(1, 2), choose.integer(1, 2))
            padding = Padding(*(choose.integer(0, k - 1) for k in (kh, kh, kw, kw)))
        height = (source.height + padding.top + padding.bottom - kh) // stride[0] + 1
        width = (source.width + padding.left + padding.right - kw) // stride[1] + 1
        groups = 1
        out = choose.integer(1, 20)
        if not full and choose.integer(0, 4) == 0:
            groups = choose.choice([g for g in range(1, source.channels + 1) if source.channels % g == 0])
            out = groups * choose.integer(1, max(1, 16 // groups))
        weight, alphabet = self.weight((out, source.channels // groups, kh, kw))
        partner = None
        if not full and choose.integer(0, 1):
            shape = (out, height, width)
            partners = [t for t in self.tensors.values() if t.shape == shape and t.name != "t0"]
            partner = choose.choice(partners) if partners else None
        output = self.store(out, height, width, signed=choose.integer(0, 3) == 0)
        spread = np.abs(weight).reshape(out, -1).sum(axis=1) * source.maximum / 2
        rescale = self.rescale(spread, output, residual=partner is not None)
        self.nodes.append(
            Convolution(
                f"conv{len(self.nodes)}", source.name, output.name, weight, alphabet, stride, padding, groups,
                False, rescale, None if partner is None else partner.name,
            )
        )  # fmt: skip
        return output

    def shifted(self, source: Tensor) -> Tensor:
        """A convolution without padding behind shifts of channels and addresses."""
        choose = self.choose
        kinds = choose.choice((("channels",), ("addresses",), ("channels", "addresses"), ("addresses", "channels")))
        for kind in kinds:
            output = replace(source, name=f"t{len(self.tensors)}")
            self.tensors[output.name] = output
            name = f"shift{len(self.nodes)}"
            if kind == "channels":
                shift = choose.integer(0, source.channels - 1)
                self.nodes.append(ChannelShift(name, source.name, output.name, shift))
            else:
                groups = choose.choice([g for g in range(1, source.channels + 1) if source.channels % g == 0])
                offsets = tuple((choose.integer(-3, 3), choose.integer(-3, 3)) for _ in range(groups))
                self.nodes.append(AddressShift(name, source.name, output.name, offsets))
            source = output
        return self.side(source, choose.integer(1, 20), None)

    def pool(self, source: Tensor) -> Tensor:
        choose = self.choose
        whole = choose.integer(0, 2) == 0
        kh = source.height if whole else choose.integer(1, min(3, source.height))
        kw = source.width if whole else choose.integer(1, min(3, source.width))
        stride = (choose.integer(1, 2), choose.integer(1, 2))
        padding = Padding(*(choose.integer(0, (k - 1) // 2) for k in (kh, kh, kw, kw)))
        height = (source.height + padding.top + padding.bottom - kh) // stride[0] + 1
        width = (source.width + padding.left + padding.right - kw) // stride[1] + 1
        name = f"pool{len(self.nodes)}"
        if choose.integer(0, 1):
            output = Tensor(
                f"t{len(self.tensors)}", source.channels, height, width, source.bits, source.zero_point, source.exponent
            )
            self.tensors[output.name] = output
            self.nodes.append(MaxPool(name, source.name, output.name, (kh, kw), stride, padding))
            return output
        output = self.store(source.channels, height, width, signed=source.zero_point > 0)
        shift = output.exponent - source.exponent - (kh * kw - 1).bit_length()
        n = source.channels
        zero = np.zeros(n, np.int64)
        s, p = np.full(n, max(0, -shift)), np.full(n, max(0, shift))
        b = np.full(n, (1 << max(0, -shift)) >> 1)
        self.nodes.append(
            AveragePool(
                name, source.name, output.name, (kh, kw), stride, padding,
                Rescale(zero, zero, s.astype(np.int64), p.astype(np.int64), zero, b.astype(np.int64)),
            )
        )  # fmt: skip
        return output

    def concatenate(self, source: Tensor) -> Tensor:
        """Two convolutions of 1 x 1 side by side; sometimes two such pairs."""
        choose = self.choose
        form: Tensor | None = None

        def pair(depth: int) -> Tensor:
            nonlocal form
            parts = []
            for last in (False, True):
                if depth and choose.integer(0, 2) == 0 and last:
                    parts.append(pair(depth - 1))
                    continue
                # All but the last one fill whole words of 4, 8 or 16 rows.
                wanted = choose.integer(1, 20) if last else 16
                parts.append(self.side(source, wanted, form))
                form = parts[-1]
            channels = sum(part.channels for part in parts)
            name = f"t{len(self.tensors)}"
            output = Tensor(name, channels, *source.shape[1:], form.bits, form.zero_point, form.exponent)
            self.tensors[name] = output
            joined = tuple(part.name for part in parts)
            self.nodes.append(Concatenation(f"concatenation{len(self.nodes)}", joined, name))
            return output

        return pair(1)

    def side(self, source: Tensor, channels: int, form: Tensor | None, *, residual: Tensor | None = None) -> Tensor:
        """A convolution of 1 x 1, stride 1."""
        weight, alphabet = self.weight((channels, source.channels, 1, 1))
        output = self.store(channels, source.height, source.width, signed=self.choose.integer(0, 3) == 0)
        if form is not None:
            output = Tensor(output.name, *output.shape, form.bits, form.zero_point, form.exponent)
            self.tensors[output.name] = output
        spread = np.abs(weight).reshape(channels, -1).sum(axis=1) * source.maximum / 2
        rescale = self.rescale(spread, output, residual=residual is not None)
        self.nodes.append(
            Convolution(
                f"conv{len(self.nodes)}", source.name, output.name, weight, alphabet, (1, 1), Padding(), 1, False,
                rescale, None if residual is None else residual.name,
            )
        )  # fmt: skip
        return output

    def add(self, source: Tensor) -> Tensor:
        partners = [t for t in self.tensors.values() if t.shape == source.shape and t.name not in ("t0", source.name)]
        if not partners:
            return self.convolution(source)
        other = self.choose.choice(partners)
        output = self.store(*source.shape, signed=self.choose.integer(0, 1) == 0)
        spread = np.full(source.channels, source.maximum)
        rescale = self.rescale(spread, output, residual=True)
        self.nodes.append(Add(f"add{len(self.nodes)}", source.name, other.name, output.name, rescale))
        return output


def build(
    choose: Chooser,
    *,
    bits: int = 8,
    alphabets: Sequence[Alphabet] = (),
    max_channels: int = 4,
    image_bits: int | None = None,
    shifts: bool = False,
) -> Network:
    """Return a random valid network of up to five operations before the logits.

    With ``image_bits`` the image has so many bits, whatever the other maps have, and only convolutions read it; with
    ``shifts`` some convolutions read shifted maps.
    """
    alphabets = alphabets or tuple(Alphabet.s3(b) for b in (2, 3, 4))
    builder = Builder(choose, bits, alphabets)
    now = builder.store(choose.integer(1, max_channels), choose.integer(1, 9), choose.integer(1, 9))
    if image_bits is not None:
        now = Tensor(now.name, *now.shape, image_bits, 0, now.exponent)
        builder.tensors[now.name] = now
    if choose.integer(0, 3) == 0:
        now = Tensor(now.name, *now.shape, now.bits, 1 << now.bits - 1, now.exponent)
        builder.tensors[now.name] = now
    for _ in range(choose.integer(0, 5)):
        kinds = ("convolution", "convolution", "convolution", "pool", "add", "linear", "join")
        kind = choose.choice((*kinds, "shift", "shift", "shift") if shifts else kinds)
        if kind == "pool" and (now.name != "t0" or image_bits is None):
            now = builder.pool(now)
        elif kind == "shift":
            now = builder.shifted(now)
        elif kind == "join":
            now = builder.concatenate(now)
        elif kind == "add" and now.name != "t0":
            now = builder.add(now)
        else:
            now = builder.convolution(now, full=kind == "linear")
    classes = choose.integer(1, 12)
    weight, alphabet = builder.weight((classes, *now.shape))
    bias = choose.generator().integers(-1000, 1000, classes)
    builder.nodes.append(Logits("logits", now.name, weight, alphabet, bias.astype(np.int64), now.exponent))
    network = Network("random", "t0", builder.tensors, tuple(builder.nodes))
    network.validate()
    return network


def random_network(seed: int, **options: Any) -> Network:
    """Return the random network of a seed."""
    return build(SeededChooser(seed), **options)


@st.composite
def networks(draw: Callable[[st.SearchStrategy[T]], T], **options: int) -> Network:
    """Hypothesis strategy for :func:`build`."""
    return build(DrawnChooser(draw), **options)  # type: ignore[arg-type]


def random_images(network: Network, seed: int, count: int) -> np.ndarray:
    """Return random stored images, the first two all 0 and all maximal."""
    tensor = network.tensor(network.input)
    rng = np.random.default_rng(seed)
    images = rng.integers(0, tensor.maximum + 1, (count, *tensor.shape)).astype(np.uint8)
    images[:1] = 0
    images[1:2] = tensor.maximum
    return images

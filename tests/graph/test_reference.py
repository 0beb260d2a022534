"""The numpy reference against an independent one in plain Python loops."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

from hw.graph import (
    PHASES,
    Add,
    AddressShift,
    AveragePool,
    Balance,
    ChannelShift,
    Concatenation,
    Convolution,
    Logits,
    MaxPool,
    NetworkError,
    Polyphase,
    Rescale,
    Table,
    Tensor,
)
from tests.strategies import networks, random_images, random_network
from tests.wrapped_networks import wrapped_network


def output(rescale, c, acc, r, tensor):
    t, j, s, p, k, b = (int(getattr(rescale, f)[c]) for f in "tjspkb")
    total = ((acc << j) + t * acc) * 2**p + r * 2**k + b
    return min(max((total >> s) + tensor.zero_point, 0), tensor.maximum)


def slow(network, image):
    """One image, element by element, with Python's integers."""
    values = {network.input: {i: int(image[i]) for i in np.ndindex(image.shape)}}
    for node in network.nodes:
        if isinstance(node, Concatenation):
            parts = [(values[name], network.tensor(name).channels) for name in node.inputs]
            joined = [(part, c) for part, channels in parts for c in range(channels)]
            shape = network.tensor(node.output).shape
            values[node.output] = {(c, y, x): joined[c][0][joined[c][1], y, x] for c, y, x in np.ndindex(shape)}
            continue
        source = network.tensor(node.input)
        x = values[node.input]
        if isinstance(node, ChannelShift):
            indices = np.ndindex(source.shape)
            values[node.output] = {(c, y, i): x[(c + node.shift) % source.channels, y, i] for c, y, i in indices}
            continue
        if isinstance(node, Polyphase):
            guide = values[node.guide]
            norms = [sum(v for (_, y, i), v in guide.items() if (y % 2, i % 2) == phase) for phase in PHASES]
            row, column = PHASES[norms.index(max(norms))]
            out_shape = network.tensor(node.output).shape
            values[node.output] = {(c, y, i): x[c, 2 * y + row, 2 * i + column] for c, y, i in np.ndindex(out_shape)}
            continue
        if isinstance(node, Table):
            values[node.output] = {i: int(node.table[v]) for i, v in x.items()}
            continue
        if isinstance(node, AddressShift) and node.circular:
            size, (_, height, width) = source.channels // len(node.offsets), source.shape
            moved = {i: node.offsets[i[0] // size] for i in np.ndindex(source.shape)}
            values[node.output] = {
                (c, y, i): x[c, (y + dy) % height, (i + dx) % width] for (c, y, i), (dy, dx) in moved.items()
            }
            continue
        if isinstance(node, AddressShift):
            size = source.channels // len(node.offsets)
            moved = {i: node.offsets[i[0] // size] for i in np.ndindex(source.shape)}
            values[node.output] = {
                (c, y, i): x.get((c, y + dy, i + dx), source.zero_point) for (c, y, i), (dy, dx) in moved.items()
            }
            continue

        def at(c, y, col, x=x, source=source, node=node):
            if getattr(node, "circular", False):
                y, col = y % source.height, col % source.width
            inside = 0 <= y < source.height and 0 <= col < source.width
            return x[c, y, col] - source.zero_point if inside else 0

        if isinstance(node, Logits):
            values[node.name] = [
                sum(int(w) * at(*i) for i, w in np.ndenumerate(node.weight[n])) + int(node.bias[n])
                for n in range(len(node.bias))
            ]
            continue
        target = network.tensor(node.output)
        out = {}
        for c, y, col in np.ndindex(target.shape):
            if isinstance(node, Add):
                other = network.tensor(node.residual)
                r = values[node.residual][c, y, col] - other.zero_point
                out[c, y, col] = output(node.rescale, c, at(c, y, col), r, target)
                continue
            if isinstance(node, Balance):
                r = values[node.residual][c, y, col] - network.tensor(node.residual).zero_point
                out[c, y, col] = output(node.rescale, c, int(node.sign[c]) * at(c, 0, 0), r, target)
                continue
            top, left = y * node.stride[0] - node.padding.top, col * node.stride[1] - node.padding.left
            if isinstance(node, Convolution):
                _, per_group, kh, kw = node.weight.shape
                base = c // (target.channels // node.groups) * per_group
                acc = sum(
                    int(node.weight[c, i, dy, dx]) * at(base + i, top + dy, left + dx)
                    for i, dy, dx in product(range(per_group), range(kh), range(kw))
                )
                r = 0
                if node.residual is not None:
                    r = values[node.residual][c, y, col] - network.tensor(node.residual).zero_point
                out[c, y, col] = output(node.rescale, c, acc, r, target)
            else:
                taps = [(top + dy, left + dx) for dy in range(node.kernel[0]) for dx in range(node.kernel[1])]
                if isinstance(node, MaxPool) and node.circular:
                    out[c, y, col] = max(x[c, a % source.height, b % source.width] for a, b in taps)
                elif isinstance(node, MaxPool):
                    out[c, y, col] = max(x[c, a, b] for a, b in taps if (c, a, b) in x)
                else:
                    assert isinstance(node, AveragePool)
                    out[c, y, col] = output(node.rescale, c, sum(at(c, a, b) for a, b in taps), 0, target)
        values[node.output] = out
    return values


def check(network, images):
    fast = network.run(images)
    for n, image in enumerate(images):
        for name, want in slow(network, image).items():
            got = fast[name][n]
            if isinstance(want, list):
                assert got.tolist() == want
            else:
                assert all(int(got[i]) == v for i, v in want.items()), name


@pytest.mark.parametrize("seed", range(15))
def test_random_networks_equal_plain_python(seed):
    network = random_network(seed, max_channels=3)
    check(network, random_images(network, seed, 2))


@pytest.mark.parametrize("seed", range(10))
def test_random_networks_with_shifts_equal_plain_python(seed):
    network = random_network(seed, max_channels=3, shifts=True)
    check(network, random_images(network, seed, 2))


@pytest.mark.parametrize("seed", range(25))
def test_random_networks_of_wrapped_maps_equal_plain_python(seed):
    network = wrapped_network(seed)
    check(network, random_images(network, seed, 2))


@settings(max_examples=15, deadline=None)
@given(networks(max_channels=2))
def test_drawn_networks_equal_plain_python(network):
    check(network, random_images(network, 0, 1))


def test_half_is_rounded_up_and_negative_sums_are_floored():
    rescale = Rescale(*(np.array([v], np.int64) for v in (0, 0, 1, 0, 0, 1)))
    tensor = Tensor("y", 1, 1, 1, 8, 128, 0)
    acc = np.array([-3, -2, -1, 0, 1, 2, 3])[:, None, None, None]
    assert rescale.apply(acc, 0, tensor).ravel().tolist() == [127, 127, 128, 128, 129, 129, 130]


def test_the_lowest_index_wins_ties():
    network = random_network(3)
    images = random_images(network, 0, 4)
    logits = network.run(images)[network.logits.name]
    assert network.predict(images).tolist() == [row.tolist().index(row.max()) for row in logits]


def test_images_of_another_shape_are_refused():
    network = random_network(0)
    with pytest.raises(NetworkError, match="images must be uint8"):
        network.run(np.zeros((1, 9, 9, 9), np.uint8))

"""Channel and address shifts as addresses only: folded into the weights of whatever reads them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from hw.graph import Network
from hw.graph.ops import AddressShift, ChannelShift, Convolution, Logits, Node, Padding, Polyphase
from hw.systolic.compiler import tiling
from hw.systolic.compiler.plan import CompileError


@dataclass(frozen=True, eq=False)
class FoldedConvolution(Convolution):
    """A convolution that reads through shifts.

    Its kernel reaches to where the shifts point, and is zero everywhere else: passes of zeros are left out, so it takes
    the passes of the convolution that it was where groups of channels fill memory words.

    Parameters
    ----------
    multiplications : int
        Weights of the convolution that it was.
    """

    multiplications: int = 0


@dataclass(frozen=True)
class _View:
    """A tensor that is not stored: channel ``c`` is channel ``channels[c]`` of ``base``, moved by ``offsets[c]``."""

    base: str
    channels: np.ndarray
    offsets: np.ndarray
    moved: bool
    circular: bool = False


def views(network: Network) -> frozenset[str]:
    """Return the tensors that an engine does not store."""
    return frozenset(node.output for node in network.nodes if isinstance(node, ChannelShift | AddressShift | Polyphase))


def fold_shifts(network: Network) -> Network:
    """Return a network of the same logits without channel and address shifts.

    Raises
    ------
    CompileError
        If something else than a convolution or the last layer reads a shift; if a convolution with padding reads an
        address shift, since both have their own border; or if two address shifts follow one another.
    """
    found: dict[str, _View] = {}
    nodes: list[Node] = []
    for node in network.nodes:
        if isinstance(node, ChannelShift | AddressShift):
            found[node.output] = _shifted(node, found, network)
            continue
        read = [name for name in node.inputs if name in found]
        if not read:
            nodes.append(node)
        elif isinstance(node, Convolution) and read == [node.input]:
            nodes.append(_convolution(node, found[node.input], network))
        elif isinstance(node, Logits):
            nodes.append(_logits(node, found[node.input], network))
        else:
            raise CompileError(
                f"layer {node.name!r} reads the shifted map {read[0]!r}; the engine shifts only what convolutions "
                f"and the last layer read"
            )
    if not found:
        return network
    tensors = {name: tensor for name, tensor in network.tensors.items() if name not in found}
    return replace(network, tensors=tensors, nodes=tuple(nodes))


def _shifted(node: ChannelShift | AddressShift, found: dict[str, _View], network: Network) -> _View:
    count = network.tensor(node.input).channels
    plain = _View(node.input, np.arange(count), np.zeros((count, 2), np.int64), moved=False)
    view = found.get(node.input, plain)
    if isinstance(node, ChannelShift):
        return replace(
            view, channels=np.roll(view.channels, -node.shift), offsets=np.roll(view.offsets, -node.shift, axis=0)
        )
    if view.moved:
        raise CompileError(f"layer {node.name!r} is an address shift behind another one; the engine does one at a time")
    offsets = np.array([node.of_channel(c, count) for c in range(count)])
    return replace(view, offsets=offsets, moved=True, circular=node.circular)


def _convolution(node: Convolution, view: _View, network: Network) -> Convolution:
    wraps = view.circular and (node.circular or node.padding == Padding())
    if view.moved and not wraps and (node.padding != Padding() or node.circular or view.circular):
        raise CompileError(
            f"layer {node.name!r} pads a map that an address shift has moved; the engine does one of the two at a time"
        )
    dense = tiling.dense_weight(node.weight, node.groups)
    weight, (top, left), (bottom, right) = _moved(dense, view, network.tensor(view.base).channels)
    padding, own_padding = Padding(top, bottom, left, right), node.padding
    if not view.moved:
        padding = own_padding
    elif wraps:
        # Both wrap around: the one's border lies behind the other's.
        padding = Padding(
            top + own_padding.top, bottom + own_padding.bottom, left + own_padding.left, right + own_padding.right
        )
    own = {field.name: getattr(node, field.name) for field in fields(Convolution)}
    own |= {"input": view.base, "weight": weight.astype(np.int32), "padding": padding, "groups": 1}
    own["circular"] = node.circular or (view.moved and view.circular)
    return FoldedConvolution(**own, multiplications=node.weight.size)


def _moved(dense: np.ndarray, view: _View, channels: int) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
    """Return a weight that reads ``base``, and how far it reaches beyond the old one: up and left, down and right."""
    out, _, kh, kw = dense.shape
    before = tuple(max(0, int(-low)) for low in view.offsets.min(axis=0))
    behind = tuple(max(0, int(high)) for high in view.offsets.max(axis=0))
    weight = np.zeros((out, channels, kh + before[0] + behind[0], kw + before[1] + behind[1]), np.int64)
    for c, (source, (dy, dx)) in enumerate(zip(view.channels, view.offsets, strict=True)):
        y, x = int(dy) + before[0], int(dx) + before[1]
        weight[:, source, y : y + kh, x : x + kw] = dense[:, c]
    return weight, (before[0], before[1]), (behind[0], behind[1])


def _logits(node: Logits, view: _View, network: Network) -> Logits:
    """Fold into weights of the whole map: what comes from outside is a zero point and adds nothing, or wraps around."""
    if view.circular:
        weight = np.zeros((len(node.weight), network.tensor(view.base).channels, *node.weight.shape[2:]), np.int32)
        for c, (source, (dy, dx)) in enumerate(zip(view.channels, view.offsets, strict=True)):
            weight[:, source] = np.roll(node.weight[:, c], (int(dy), int(dx)), axis=(1, 2))
        return replace(node, input=view.base, weight=weight)
    weight, (top, left), _ = _moved(np.asarray(node.weight, np.int64), view, network.tensor(view.base).channels)
    height, width = node.weight.shape[2:]
    inside = weight[:, :, top : top + height, left : left + width]
    return replace(node, input=view.base, weight=np.ascontiguousarray(inside, np.int32))

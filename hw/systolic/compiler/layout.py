"""Where the maps of a network lie in main memory, and how."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hw.graph import Network, Tensor
from hw.graph.ops import Concatenation, Convolution, Logits, Polyphase, Table
from hw.systolic.compiler.plan import CompileError
from hw.systolic.config import EngineConfig


@dataclass(frozen=True)
class MapLayout:
    """A stored map: word ``base + y * row + x * pixel + g`` holds channels ``g * rows ..`` of a pixel.

    A pixel has ``groups`` words, and the next pixel is ``pixel`` words on: more where the map is a part of a
    concatenation, whose other parts lie between.
    """

    tensor: Tensor
    groups: int
    pixel: int
    base: int = 0

    @property
    def row(self) -> int:
        """Words from one row to the next."""
        return self.tensor.width * self.pixel

    @property
    def words(self) -> int:
        """Words from the first to the last one."""
        return (self.tensor.height * self.tensor.width - 1) * self.pixel + self.groups

    def unpack(self, memory: np.ndarray) -> np.ndarray:
        """Return the map as uint8 (channels, height, width) from the memory's lanes (words, rows)."""
        first = self.base + self.pixel * np.arange(self.tensor.height * self.tensor.width)
        words = memory[first[:, None] + np.arange(self.groups)]
        pixels = words.reshape(self.tensor.height, self.tensor.width, -1)
        return np.asarray(pixels[:, :, : self.tensor.channels].transpose(2, 0, 1), np.uint8)


@dataclass(frozen=True)
class PhaseLayout(MapLayout):
    """One of the four phases of a stored map, at whose base it has its own: every second pixel of every second row.

    Which one it is, is known when the phases of ``guide`` are measured; the words are those of the phase (0, 0).
    """

    guide: str = ""

    @property
    def row(self) -> int:
        """Words from one row to the next."""
        return 2 * self.tensor.width * self.pixel


@dataclass(frozen=True)
class ImageLayout:
    """The packed image: each word holds ``window`` neighbouring pixels in its highest lanes.

    Word ``base + y * row + i`` holds pixels ``i * step - pad_left ..`` of row ``y``, of an image in two ``planes``
    their high bits; ``words_per_row`` further on are the low ones, ``low_bits`` of them.
    """

    tensor: Tensor
    rows: int
    window: int
    step: int
    pad_left: int
    pad_right: int
    planes: int = 1
    low_bits: int = 0
    base: int = 0

    @property
    def words_per_row(self) -> int:
        """Words of one row of the image, or of one plane of it."""
        padded = self.pad_left + self.tensor.width + self.pad_right
        return (padded - self.window) // self.step + 1

    @property
    def row(self) -> int:
        """Words from one row of the image to the next."""
        return self.planes * self.words_per_row

    @property
    def words(self) -> int:
        """Size in words."""
        return self.tensor.height * self.row

    @property
    def border(self) -> int:
        """Value of a lane outside of the image (of the high bits)."""
        return self.tensor.zero_point >> self.low_bits

    def pack(self, image: np.ndarray) -> bytes:
        """Return an image (channels, height, width) in the order of the image stream.

        Rows top to bottom, pixels left to right, channels innermost; in two planes every row's high bits, then its low.
        """
        rows = np.asarray(image, np.uint8).transpose(1, 2, 0)
        if self.planes == 2:
            rows = np.stack([rows >> self.low_bits, rows & (1 << self.low_bits) - 1], axis=1)
        return np.ascontiguousarray(rows).tobytes()

    @property
    def first_lane(self) -> int:
        """Lane of the first channel of the first pixel of a word."""
        return self.rows - self.window * self.tensor.channels


Layout = MapLayout | ImageLayout


def choose_layouts(network: Network, config: EngineConfig) -> dict[str, Layout]:
    """Return the layout of every tensor, bases still 0."""
    layouts: dict[str, Layout] = {}
    for name, tensor in network.tensors.items():
        planes = config.image_planes if name == network.input else 1
        if tensor.bits > planes * config.activation_bits:
            does = "takes images of" if planes == 2 else "stores"
            raise CompileError(
                f"tensor {name!r} has {tensor.bits} bits, the engine {does} {planes * config.activation_bits}"
            )
        if name == network.input:
            layouts[name] = _image_layout(network, tensor, config)
        else:
            groups = -(-tensor.channels // config.rows)
            layouts[name] = MapLayout(tensor, groups, groups)
    for name, part in concatenated(network, config).items():
        layout, whole = layouts[name], layouts[part.whole]
        if not isinstance(layout, MapLayout) or not isinstance(whole, MapLayout):
            raise CompileError(f"layer {part.node!r} concatenates the image itself; the engine takes stored maps only")
        layouts[name] = replace(layout, pixel=whole.pixel)
    for node in network.nodes:
        if isinstance(node, Polyphase):
            layouts[node.output] = _phase_layout(node, network, layouts)
        if isinstance(node, Table):
            words = -(-network.tensor(node.output).channels // config.columns_per_requantizer)
            layouts[scratch_name(node)] = MapLayout(network.tensor(node.output), words, words)
    return layouts


def scratch_name(node: Table) -> str:
    """Return the name of what a table stores on the way: words of as many numbers as a requantiser has columns.

    No tensor has it: the no-break space cannot be in a network's names.
    """
    return f"{node.name},\N{NO-BREAK SPACE}looked up"


def _phase_layout(node: Polyphase, network: Network, layouts: dict[str, Layout]) -> PhaseLayout:
    whole, guide = layouts[node.input], layouts[node.guide]
    if isinstance(whole, ImageLayout) or isinstance(guide, ImageLayout):
        raise CompileError(f"layer {node.name!r} samples the image itself; the engine samples stored maps only")
    if isinstance(whole, PhaseLayout) or isinstance(guide, PhaseLayout):
        raise CompileError(f"layer {node.name!r} samples a sample; the engine does one at a time")
    if any(isinstance(maker, Concatenation) and maker.output == node.guide for maker in network.nodes):
        raise CompileError(f"layer {node.name!r} measures a concatenation; the engine measures what one layer stores")
    return PhaseLayout(network.tensor(node.output), whole.groups, 2 * whole.pixel, guide=node.guide)


def _image_layout(network: Network, tensor: Tensor, config: EngineConfig) -> ImageLayout:
    if tensor.channels > config.rows:
        raise CompileError(
            f"the image has {tensor.channels} channels, the engine takes at most {config.rows} (its rows)"
        )
    if tensor.channels > 16:
        raise CompileError(f"the image has {tensor.channels} channels, an engine takes at most 16")
    planes = 2 if tensor.bits > config.activation_bits else 1
    if planes == 2 and tensor.zero_point >> config.activation_bits == 1:
        # The border has no lowest bit (Engine).
        raise CompileError(
            f"the image has {tensor.bits} bits and a zero point, one bit more than the engine's activations; it takes "
            f"signed images of {config.activation_bits} bits, or of two bits more and up"
        )
    plain = ImageLayout(
        tensor, config.rows, window=1, step=1, pad_left=0, pad_right=0,
        planes=planes, low_bits=config.activation_bits if planes == 2 else 0,
    )  # fmt: skip
    users = [node for node in network.nodes if network.input in node.inputs]
    if planes == 2:
        for node in users:
            if not isinstance(node, Convolution | Logits):
                raise CompileError(
                    f"layer {node.name!r} reads the image's {tensor.bits} bits, more than the engine's "
                    f"{config.activation_bits}: only convolutions and linear layers can do that"
                )
    if len(users) != 1 or not isinstance(users[0], Convolution | Logits):
        return plain
    node = users[0]
    if isinstance(node, Convolution) and node.circular:
        # A row wraps around pixel by pixel.
        return plain
    kernel = node.weight.shape[3]
    stride, left, out_width = 1, 0, 1
    if isinstance(node, Convolution):
        if node.groups != 1:
            return plain
        stride, left = node.stride[1], node.padding.left
        out_width = network.tensor(node.output).width
    window = min(kernel, config.rows // tensor.channels, 15)
    taps = -(-kernel // window) * window
    if out_width == 1:
        step = window
    else:
        step = stride if window == kernel else 1
    needed = (out_width - 1) * stride + taps
    right = max(0, needed - left - tensor.width)
    # As many as fit ``INPUT``'s fields.
    if left > 7 or right > 7 or step > 15:
        return plain
    return replace(plain, window=window, step=step, pad_left=left, pad_right=right)


@dataclass(frozen=True)
class Part:
    """Where a part of a concatenation lies: from channel group ``group`` on of the largest one that has it.

    A phase of a map is a part of it, too.
    """

    node: str
    whole: str
    group: int


def concatenated(network: Network, config: EngineConfig) -> dict[str, Part]:
    """Return the place of every tensor that is a part of a concatenation."""
    direct: dict[str, Part] = {}
    sampled = {node.output for node in network.nodes if isinstance(node, Polyphase)}
    for node in network.nodes:
        if not isinstance(node, Concatenation):
            continue
        channels = 0
        for name in node.inputs:
            if name in sampled:
                raise CompileError(
                    f"layer {node.name!r} concatenates {name!r}, one phase of a map; the engine takes stored maps only"
                )
            if name in direct:
                raise CompileError(
                    f"layer {node.name!r} concatenates {name!r}, which {direct[name].node!r} does already"
                )
            if channels % config.rows:
                raise CompileError(
                    f"layer {node.name!r} concatenates {name!r} behind {channels} channels; "
                    f"the engine needs a multiple of its {config.rows} rows"
                )
            direct[name] = Part(node.name, node.output, channels // config.rows)
            channels += network.tensor(name).channels
    found: dict[str, Part] = {}
    for name, part in direct.items():
        whole, group = part.whole, part.group
        while whole in direct:
            group += direct[whole].group
            whole = direct[whole].whole
        found[name] = Part(part.node, whole, group)
    return found


def phases(network: Network, parts: dict[str, Part]) -> dict[str, Part]:
    """Return the place of every sample: that of its map, which may itself be one of ``parts``."""
    samples = [node for node in network.nodes if isinstance(node, Polyphase)]
    return {node.output: parts.get(node.input, Part(node.name, node.input, 0)) for node in samples}

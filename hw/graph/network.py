"""The integer network: a list of operations on stored tensors, with exact semantics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.graph.errors import NetworkError, need, need_name
from hw.graph.ops import Logits, Node
from hw.graph.tensor import MAX_TOTAL, MAX_WORK, Tensor

MAX_NODES = 4096
"""Largest number of operations."""

_CHUNK = 1 << 22
"""Elements of the largest map that are worked on at once."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network that computes with integers only.

    Parameters
    ----------
    name : str
        Name of the network.
    input : str
        The tensor that the image is.
    tensors : mapping of str to Tensor
        All stored tensors by name.
    nodes : tuple
        Operations in an order in which they can run; the last one, and only it, makes the logits.
    """

    name: str
    input: str
    tensors: Mapping[str, Tensor]
    nodes: tuple[Node, ...]

    @property
    def logits(self) -> Logits:
        """The last node."""
        last = self.nodes[-1]
        assert isinstance(last, Logits)
        return last

    @property
    def classes(self) -> int:
        """Number of logits."""
        return len(self.logits.bias)

    def tensor(self, name: str) -> Tensor:
        """Return a tensor by name."""
        return self.tensors[name]

    def node(self, name: str) -> Node:
        """Return a node by name."""
        return next(node for node in self.nodes if node.name == name)

    def validate(self) -> None:
        """Raise ``NetworkError`` naming node or tensor and field unless the network is sound."""
        need_name(self.name, "network")
        need(1 <= len(self.nodes) <= MAX_NODES, f"network: {len(self.nodes)} nodes, supported are 1 to {MAX_NODES}")
        for key, tensor in self.tensors.items():
            need(key == tensor.name, f"tensor {key!r:.80}: its name field is {tensor.name!r:.80}")
        need(self.input in self.tensors, f"network: input {self.input!r:.80} is not a tensor of the network")
        stored = sum(tensor.elements for tensor in self.tensors.values())
        need(stored <= MAX_TOTAL, f"network: its maps have {stored} elements, supported are up to {MAX_TOTAL}")
        known = {self.input}
        names: set[str] = set()
        for i, node in enumerate(self.nodes):
            need_name(node.name, f"node {i}")
            need(node.name not in names, f"node {node.name!r}: the name is used twice")
            names.add(node.name)
            for name in node.inputs:
                need(name in known, f"node {node.name!r}: reads {name!r:.80}, which no node before it stores")
            node.validate(self.tensors)
            last = i == len(self.nodes) - 1
            if isinstance(node, Logits):
                need(last, f"node {node.name!r}: logits must be the last node")
                need(node.name not in self.tensors, f"node {node.name!r}: a tensor has the same name")
            else:
                need(not last, f"node {node.name!r}: the last node must make the logits")
                need(node.output not in known, f"node {node.name!r}: stores {node.output!r}, which is stored already")
                known.add(node.output)
        unused = sorted(set(self.tensors) - known)
        need(not unused, f"tensor {unused[:1]}: no node stores it")
        work = sum(node.work(self.tensors) for node in self.nodes)
        need(work <= MAX_WORK, f"network: {work} additions for an image, supported are up to {MAX_WORK}")

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Return every stored tensor, uint8 (images, channels, height, width), and the logits.

        Parameters
        ----------
        images : uint8 (images, channels, height, width)
            Stored numbers of the input tensor.

        Returns
        -------
        dict
            Tensors by name, the input included; under the last node's name int32 (images, classes).
        """
        source = self.tensors[self.input]
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != source.shape:
            raise NetworkError(
                f"images must be uint8 (n, {source.channels}, {source.height}, {source.width}), "
                f"got {images.dtype} {images.shape}"
            )
        if images.size and int(images.max()) > source.maximum:
            raise NetworkError(f"images have the value {int(images.max())}, {source.bits}-bit numbers are expected")
        size = max(tensor.channels * tensor.height * tensor.width for tensor in self.tensors.values())
        chunk = max(1, _CHUNK // (9 * size))
        parts = [self._run(images[i : i + chunk]) for i in range(0, max(1, len(images)), chunk)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        values: dict[str, NDArray[Any]] = {self.input: images}
        for node in self.nodes:
            values[node.output] = node.run(values, self.tensors)
        return values

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of every image; the lowest index wins ties."""
        return np.asarray(np.argmax(self.run(images)[self.logits.name], axis=1))

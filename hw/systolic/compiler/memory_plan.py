"""The memory plan: every map's words, and the layers that they are kept for."""

from __future__ import annotations

from dataclasses import dataclass

from hw.graph import Network
from hw.systolic.compiler.layout import Layout, concatenated
from hw.systolic.compiler.place import ages, map_lives
from hw.systolic.config import EngineConfig

IMAGE = "the image"
"""What a map is born at that no layer writes."""


@dataclass(frozen=True)
class StoredMap:
    """A map's words.

    Attributes
    ----------
    name : str
        The tensor.
    address, words : int
        First word of main memory, and words to the last one.
    born, dies : str
        The layers that write it first and need it last.
    within : str
        The concatenation whose words hold it, or empty.
    """

    name: str
    address: int
    words: int
    born: str
    dies: str
    within: str = ""


def memory_plan(network: Network, layouts: dict[str, Layout], config: EngineConfig) -> tuple[StoredMap, ...]:
    """Return the stored maps in the order in which they are born.

    Parameters
    ----------
    network : Network
        With its shifts folded.
    layouts : dict
        Placed, see :func:`~hw.systolic.compiler.place.place`.
    config : EngineConfig
        Shape of the engine.
    """
    parts = concatenated(network, config)
    born, dies = ages(network, layouts, config)
    makers = {node.output: i for i, node in enumerate(network.nodes)}
    layers = [*(node.name for node in network.nodes), IMAGE]
    whole = {name: part.whole for name, part in parts.items()} | {name: name for name in born}
    begins = {name: makers[name] if name in parts else born[name] for name in whole}
    return tuple(
        StoredMap(
            name,
            layouts[name].base,
            layouts[name].words,
            layers[begins[name]],
            layers[dies[whole[name]]],
            whole[name] if name in parts else "",
        )
        for name in sorted(whole, key=lambda name: (begins[name], name not in parts))
    )


def fullest_layer(network: Network, layouts: dict[str, Layout], config: EngineConfig) -> tuple[str, int]:
    """Return the layer at which the maps that are alive take the most words, and these words.

    A map that takes the place of its residual operand counts as one with it.
    """
    lives = set(map_lives(network, layouts, config).values())
    words = [sum(life.words for life in lives if life.born <= i <= life.dies) for i in range(len(network.nodes))]
    most = max(words)
    return network.nodes[words.index(most)].name, most

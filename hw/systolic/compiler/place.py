"""Where the maps lie: those that are not alive together share words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hw.graph import Network
from hw.graph.ops import Add, Balance, Convolution, Node, Table
from hw.systolic.compiler.layout import Layout, MapLayout, Part, concatenated, phases, scratch_name
from hw.systolic.config import EngineConfig


@dataclass(frozen=True)
class Life:
    """Maps that lie in the same words, and the nodes in whose place of the network they are ``born`` and ``die``."""

    names: tuple[str, ...]
    words: int
    born: int
    dies: int

    def meets(self, other: Life) -> bool:
        """Whether both are alive at one time."""
        return self.born <= other.dies and other.born <= self.dies


def place(
    network: Network, layouts: dict[str, Layout], base: int, config: EngineConfig
) -> tuple[dict[str, Layout], int]:
    """Give every map an address from ``base`` on; maps that are not alive together may share words.

    A map takes the place of the residual operand that is added to it, if nobody needs that one any more: a pixel's
    residual is read before its result is written. Maps are placed in the order in which they are born, or the largest
    first if that takes fewer words.

    Returns
    -------
    layouts, end
        The placed layouts, and the first address behind the highest map.
    """
    lives = map_lives(network, layouts, config)
    by_birth = list(dict.fromkeys(lives.values()))
    by_size = sorted(by_birth, key=lambda life: -life.words)
    bases = min((_first_fit(order, base) for order in (by_birth, by_size)), key=lambda bases: _end(bases, lives))
    placed = {name: replace(layouts[name], base=address) for name, address in bases.items()}
    for name, part in _parts(network, config).items():
        placed[name] = replace(layouts[name], base=placed[part.whole].base + part.group)
    return placed, max(layout.base + layout.words for layout in placed.values())


def ages(network: Network, layouts: dict[str, Layout], config: EngineConfig) -> tuple[dict[str, int], dict[str, int]]:
    """Return the nodes by which every map with words of its own is born and dies, -1 for the image's birth."""
    parts = _parts(network, config)
    born, dies = {network.input: -1}, {network.input: -1}
    for i, node in enumerate(network.nodes):
        if node.output in layouts:
            # A part takes the place of the whole, which is alive from its first part on.
            name = _whole(parts, node.output)
            born[name] = min(born.get(name, i), i)
            dies[name] = max(dies.get(name, i), i)
        if isinstance(node, Table):
            born[scratch_name(node)] = dies[scratch_name(node)] = i
        for name in node.inputs:
            dies[_whole(parts, name)] = i
    return born, dies


def map_lives(network: Network, layouts: dict[str, Layout], config: EngineConfig) -> dict[str, Life]:
    """Return the life of every map with words of its own, shared with the residual operand whose place it takes."""
    parts = _parts(network, config)
    born, dies = ages(network, layouts, config)
    makers = {node.output: node for node in network.nodes if node.output in layouts and node.output not in parts}
    lives: dict[str, Life] = {}
    for name in sorted(born, key=lambda name: (born[name], name)):
        life = Life((name,), layouts[name].words, born[name], dies[name])
        residual = _replaceable(makers.get(name), lambda name: _whole(parts, name), layouts, dies, born)
        if residual is not None:
            before = lives[residual]
            life = Life((*before.names, name), life.words, before.born, life.dies)
        lives.update(dict.fromkeys(life.names, life))
    return lives


def _parts(network: Network, config: EngineConfig) -> dict[str, Part]:
    """Return the maps whose words are another one's: parts of concatenations, and samples."""
    parts = concatenated(network, config)
    return parts | phases(network, parts)


def _whole(parts: dict[str, Part], name: str) -> str:
    return parts[name].whole if name in parts else name


def _first_fit(lives: Sequence[Life], base: int) -> dict[str, int]:
    """Return the address of every map: one life after another, each in the lowest words that are free meanwhile."""
    found: list[tuple[Life, int]] = []
    for life in lives:
        address = base
        for low, words in sorted((low, other.words) for other, low in found if life.meets(other)):
            if address + life.words <= low:
                break
            address = max(address, low + words)
        found.append((life, address))
    return {name: address for life, address in found for name in life.names}


def _end(bases: Mapping[str, int], lives: Mapping[str, Life]) -> int:
    return max(address + lives[name].words for name, address in bases.items())


def _replaceable(
    node: Node | None,
    whole: Callable[[str], str],
    layouts: dict[str, Layout],
    dies: dict[str, int],
    order: dict[str, int],
) -> str | None:
    """Return the residual operand whose words a node's output may take, if there is one.

    Not where these words hold the node's input too, as a part or a sample: all columns read it, one tile after another.
    """
    if not isinstance(node, Convolution | Add | Balance) or node.residual is None or node.residual not in dies:
        return None
    residual = node.residual
    if whole(node.input) == residual or dies[residual] > order[node.output]:
        return None
    old, new = layouts[residual], layouts[node.output]
    alike = isinstance(old, MapLayout) and isinstance(new, MapLayout) and old.words == new.words
    return residual if alike else None

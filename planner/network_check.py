"""Whether an integer network would build for a board."""

from __future__ import annotations

import re

from bitstreams.board import Board
from hw.graph import Network
from hw.systolic.area import UNCERTAINTY, Area, estimate_area
from hw.systolic.compiler import CompiledNetwork, CompileError, compile_network
from hw.systolic.search import choose_config
from hw.systolic.shape import layer_problems
from planner.verdict import Answer, EngineVerdict, LayerVerdict, Verdict

_LAYER = re.compile(r"^layer '(.*?)'")
INSTEAD = (
    (r"output rows of \d+ pixels, the engine sums (\d+)", "use images of at most {0} pixels in a row, or a stride"),
    (r"two measured rows,.* the engine sums (\d+)", "sample maps of which two rows have at most {0} pixels"),
    (r"behind \d+ channels; the engine needs a multiple of its (\d+)", "give all parts but the last a multiple of {0}"),
    (r"concatenates .*, which .* does already", "concatenate all of them at once"),
    (r"concatenates the image itself", "put a convolution between the image and it"),
    (r"adds the image itself", "put a convolution between the image and it"),
    (r"channels scale the residual differently", "train it with one scale for both operands of the addition"),
    (r"adds one phase of a map|concatenates .* one phase of a map", "put a convolution between the sample and it"),
    (r"samples the image itself", "put a convolution between the image and it"),
    (r"measures a concatenation", "sample the parts, or put a convolution behind the concatenation"),
    (r"pads one phase of a map", "let it wrap around"),
    (r"samples a sample", "put a convolution between them"),
    (r"only convolutions and linear layers can do that", "begin with a convolution, or use 8-bit activations"),
    (r"reads the shifted map|an address shift behind another one", "put a convolution between them"),
)
"""What to do instead, by what the compiler says."""


def check_network(network: Network, board: Board) -> Verdict:
    """Return whether ``shiftforge generate`` and ``synth`` would take a network, without running them.

    Clocks, memory words and block RAMs are exact, lookup tables predicted
    (:data:`~hw.systolic.area.UNCERTAINTY`): where their error decides, the answer is
    :attr:`~planner.verdict.Answer.CLOSE`.

    Parameters
    ----------
    network : Network
        Loaded, and therefore valid.
    board : Board
        Where it is to run.
    """
    device = board.device
    try:
        config = choose_config([network], device)
        compiled = compile_network(network, config)
    except CompileError as error:
        return _refused(network, board, str(error))
    area = estimate_area(config, device)
    engine = EngineVerdict(
        rows=config.rows,
        cols=config.cols,
        clusters=config.clusters,
        luts=area.luts,
        luts_available=device.luts,
        block_rams=area.block_rams,
        block_rams_available=device.block_rams,
        memory_words=compiled.memory_words,
        memory_available=config.memory_words,
        program_words=len(compiled.words),
        program_apart=config.program_words > 0,
        maps=compiled.maps,
        cycles=compiled.predicted_cycles,
        busy=compiled.busy,
        clock_mhz=board.clock_mhz,
        images_per_s=board.clock_mhz * 1e6 * config.clusters / compiled.predicted_cycles,
    )
    answer, problems = _fits(area, board)
    return Verdict(network.name, board.name, tuple(_layers(network, compiled)), problems, engine, answer)


def _fits(area: Area, board: Board) -> tuple[Answer, tuple[str, ...]]:
    """Return whether an engine of a predicted size fits, and why not."""
    error = UNCERTAINTY[board.device.family]
    if area.luts * (1 + error) <= board.device.luts:
        return Answer.YES, ()
    about = f"the engine takes about {area.luts:,} lookup tables, {board.device.name} has {board.device.luts:,}"
    if area.luts * (1 - error) <= board.device.luts:
        return Answer.CLOSE, (f"{about}; predictions are within {error:.0%}",)
    return Answer.NO, (about,)


def _layers(network: Network, compiled: CompiledNetwork) -> list[LayerVerdict]:
    """Return the rows of a network that compiles."""
    bits: dict[str, int] = {}
    clocks: dict[str, int] = {}
    for layer in compiled.layers:
        bits[layer.node] = max(bits.get(layer.node, 0), layer.needs.acc_width)
    for entry in compiled.layer_clocks:
        clocks[entry.node] = clocks.get(entry.node, 0) + entry.clocks
    return [
        LayerVerdict(
            node.name,
            type(node).__name__,
            _shape(network, node.output),
            note="" if node.name in clocks else "addresses only",
            clocks=clocks.get(node.name, 0),
            sum_bits=bits.get(node.name),
        )
        for node in network.nodes
    ]


def _refused(network: Network, board: Board, reason: str) -> Verdict:
    """Return the verdict on a network that does not compile: every layer's reason, not only the first one's."""
    reasons = layer_problems(network, board.device)
    named = _LAYER.match(reason)
    if named and named[1] in {node.name for node in network.nodes}:
        reasons.setdefault(named[1], reason)
    layers = tuple(
        LayerVerdict(
            node.name,
            type(node).__name__,
            _shape(network, node.output),
            reason=_LAYER.sub("it", reasons.get(node.name, "")),
            instead=_instead(reasons.get(node.name, "")),
        )
        for node in network.nodes
    )
    problems = () if named and named[1] in reasons else (reason,)
    return Verdict(network.name, board.name, layers, problems, None, Answer.NO)


def _instead(reason: str) -> str:
    for pattern, advice in INSTEAD:
        found = re.search(pattern, reason)
        if found:
            return advice.format(*found.groups())
    return ""


def _shape(network: Network, tensor: str) -> str:
    return "x".join(map(str, network.tensors[tensor].shape)) if tensor in network.tensors else "logits"

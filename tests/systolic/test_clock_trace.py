"""Every clock of an inference is counted once, and under the right name."""

from dataclasses import replace

import pytest

from bench.clock_trace import KINDS, budgets
from hw.devices import ECP5_85, UP5K
from hw.graph import load
from hw.systolic.compiler import compile_network
from hw.systolic.program import ResidualMode
from hw.systolic.search import choose_config


def compiled_for(example, device, **changes):
    network = load(f"examples/{example}.s3net")
    return compile_network(network, replace(choose_config([network], device), **changes))


@pytest.mark.parametrize(
    ("example", "device"), [("resnet8", UP5K), ("resnet8", ECP5_85), ("resnet8-a4", UP5K), ("digits", UP5K)]
)
def test_the_budgets_are_the_inference(example, device):
    compiled = compiled_for(example, device)
    config, parts = compiled.config, budgets(compiled)
    assert [part.node for part in parts] == [layer.node for layer in compiled.layers]
    assert sum(part.clocks for part in parts) == pytest.approx(compiled.predicted_cycles)
    assert all(getattr(part, kind) >= 0 for part in parts for kind in KINDS)
    for part, layer, clocks in zip(parts, compiled.layers, compiled.layer_clocks, strict=True):
        assert part.clocks == pytest.approx(clocks.clocks) and part.multiply + part.idle_cells == clocks.slots
        loads = sum(
            p.weights is not None for strip in range(layer.strips) for t in layer.strip_tiles(strip) for p in t.passes
        )
        assert part.load == loads * config.weight_words
        results = layer.strips * len(layer.tiles) * layer.pixels
        transfers = results * (layer.residual is not ResidualMode.NONE)
        transfers += results * (config.single_port and not layer.classes)
        # A few meet no operand: the last results come when the layer's operands are over, and those of a layer lie
        # in its own clocks.
        assert transfers - 20 * layer.strips * len(layer.tiles) <= part.port <= transfers
        instructions = part.words - clocks.slots - transfers - (0 if config.program_words else part.load)
        assert instructions == 0 if config.program_words else 2 <= instructions < part.words
        assert part.fill >= 2 and part.drain >= 5


def test_requantisers_of_their_own_need_no_waiting():
    pace = {}
    for share in (1, 2, 4):
        compiled = compiled_for("digits", ECP5_85, columns_per_requantizer=share, constant_depth=64)
        pace[share] = sum(part.pace for part in budgets(compiled))
    assert pace[1] == 0 < pace[2] < pace[4]

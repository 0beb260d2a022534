"""Real images through AXI and Wishbone: logits, classes and clocks are those of the reference."""

import pytest

from hw.bus.core_verilog import Bus
from sim.bus_simulation import run_operations
from tests.bus.designs import ADDRESS, EVENT, answer, images, infer_operations, load_operations, networks, wanted

COUNT = 20


def run(simulation, bus, parts, *, pause=0.3, **options):
    """Load networks in turn and run their images; return what came out and the state at the end."""
    operations = []
    marks = []
    for index, (compiled, batch) in enumerate(parts):
        operations += load_operations(compiled)
        for i, image in enumerate(batch):
            # The first one goes without pauses.
            operations.append(["pause", 100 * index + i, pause if i else 0.0])
            marks.append(len(operations))
            operations += infer_operations(compiled, image)
    end = len(operations)
    operations += [["read", ADDRESS[name]] for name in ("images", "stalls", "events")]
    results = run_operations(simulation(parts[0][0].config, bus), bus, operations, **options)
    return [answer(results[mark:]) for mark in marks], results[end:]


@pytest.mark.parametrize("bus", Bus)
def test_twenty_real_images_are_equal_and_a_second_network_follows_without_reset(simulation, bus):
    convolutional, linear = networks()
    batch = images(COUNT)
    parts = [(convolutional, batch), (linear, batch[:3]), (convolutional, batch[:2])]
    found, (count, stalls, events) = run(simulation, bus, parts)
    assert found == [expected for compiled, part in parts for expected in wanted(compiled, part)]
    assert count == COUNT + 5
    assert stalls > 0
    assert events == EVENT["result"]

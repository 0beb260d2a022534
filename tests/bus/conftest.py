import pytest

from hw.bus.core_verilog import Bus, make_core
from sim.bus_simulation import compile_core


@pytest.fixture(scope="session")
def simulation(simulations):
    """Return the compiled simulation of an engine on a bus; each is compiled when a test first asks for it."""

    def compiled(config, bus: Bus, **options):
        return compile_core(make_core(config, bus, **options), bus, simulations)

    return compiled

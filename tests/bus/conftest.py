import pytest

from hw.bus.core_verilog import Bus, make_core
from sim.bus_simulation import compile_core
from tests.bus.designs import networks


@pytest.fixture(scope="session")
def simulation(tmp_path_factory):
    """Return the compiled simulation of a bus; each is compiled when a test asks for it."""
    cache = tmp_path_factory.mktemp("cache")

    def compiled(bus: Bus, **options):
        return compile_core(make_core(networks()[0].config, bus, **options), bus, cache)

    return compiled

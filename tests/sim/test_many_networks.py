"""One netlist, several networks: programs are data."""

from hw.devices import ECP5_85
from hw.graph import load
from hw.systolic.compiler import compile_network
from hw.systolic.search import choose_config
from hw.systolic.verilog import emit_verilog
from s3train.data import load_digits
from sim.compare import compare
from sim.runner import _read_trace, compile_simulation, run_programs

CONVOLUTIONAL, LINEAR = (load(f"examples/{name}.s3net") for name in ("digits", "digits-mlp"))


def test_networks_take_turns_on_one_netlist(simulations):
    config = choose_config([CONVOLUTIONAL, LINEAR], ECP5_85)
    images = load_digits().test_images.numpy()
    # The engine is stopped at every clock of the first instructions, where a new image is about to be taken.
    waits = [0, *range(16), 0]
    order = [CONVOLUTIONAL, *[LINEAR] * 16, CONVOLUTIONAL]
    compiled = {network: compile_network(network, config) for network in (CONVOLUTIONAL, LINEAR)}
    programs = [(compiled[network], images[2 * i : 2 * i + 2]) for i, network in enumerate(order)]
    simulation = compile_simulation(emit_verilog(config), programs[0][0], simulations)
    options = {"seed": 1, "stall": 0.2, "first_unstalled": True}
    runs = run_programs(simulation, programs, options, waits=waits)
    for (program, part), run in zip(programs, runs, strict=True):
        result = compare(program, run, program.network.run(part))
        assert result.ok and result.images == 2, result


def test_an_engine_for_two_networks_has_what_either_needs():
    both = choose_config([CONVOLUTIONAL, LINEAR], ECP5_85)
    for network in (CONVOLUTIONAL, LINEAR):
        alone = choose_config([network], ECP5_85)
        assert both.acc_width >= alone.acc_width and both.memory_words >= alone.memory_words
        assert both.constant_depth >= alone.constant_depth and both.program_words >= alone.program_words
        assert both.max_residual_shift >= alone.max_residual_shift
        compile_network(network, both)


def test_words_of_an_image_that_never_came_are_nobodys(tmp_path):
    # Padding of the next image, written before the engine was stopped for another program.
    (tmp_path / "trace").write_text("start\n0 0001 1 0a\nend\n0 0002 1 80\nstart\n0 0003 3 0b\n0 0004 3 0c\nend\n")
    assert list(_read_trace(tmp_path / "trace", 1)) == [[(1, 1, 10)], [(3, 3, 11), (4, 3, 12)]]

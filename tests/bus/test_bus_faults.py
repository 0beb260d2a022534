"""What a host can do wrong: each mistake sets its bit, and the next right image is answered rightly."""

import functools

import pytest

from hw.bus.core_verilog import Bus, make_core
from sim.bus_simulation import image_bytes, program_bytes, run_operations
from tests.bus.designs import ADDRESS, EVENT, STATUS, answer, infer_operations, load_operations, narrow, tiny, wanted
from tests.systolic.support import make_config


class Script:
    """Operations, and what their results must be."""

    def __init__(self, compiled):
        self.compiled = compiled
        self.operations, self.checks = [], []

    def do(self, *operations):
        self.operations += operations
        return self

    def load(self):
        return self.do(*load_operations(self.compiled))

    def expect(self, register, value):
        """Read a register; ``value`` is its whole contents."""
        self.checks.append((len(self.operations), lambda results, at: (register, results[at]), (register, value)))
        return self.do(["read", ADDRESS[register]])

    def irq(self, level):
        self.checks.append((len(self.operations), lambda results, at: results[at], level))
        return self.do(["irq"])

    def clear(self):
        return self.do(["write", ADDRESS["events"], 0xFFFFFFFF, 15])

    def infer(self, image):
        right = wanted(self.compiled, image[None])[0]
        self.checks.append((len(self.operations), lambda results, at: answer(results[at:]), right))
        return self.do(*infer_operations(self.compiled, image))

    def receive(self, image):
        self.checks.append((len(self.operations), lambda r, at: r[at], wanted(self.compiled, image[None])[0][0]))
        return self.do(["receive", self.compiled.network.classes])

    def event(self, name):
        """Wait long enough for an event, and look whether it came."""
        self.do(["wait", 400])
        at = len(self.operations)
        self.checks.append((at, lambda results, at: (name, results[at] & EVENT[name]), (name, EVENT[name])))
        return self.do(["read", ADDRESS["events"]])

    def judge(self, results):
        for at, find, value in self.checks:
            assert find(results, at) == value, self.operations[at]

    def run(self, simulation, bus, **options):
        compiled = simulation(self.compiled.config, bus, **options)
        self.judge(run_operations(compiled, bus, self.operations, pipelined=options.get("pipelined")))


def running_before_a_program_is_loaded_is_refused(script, images):
    script.do(["write", ADDRESS["control"], 1, 15], ["wait", 4])
    script.expect("control", 0).expect("status", 0).expect("events", EVENT["not_loaded"]).clear().load()
    script.infer(images[2])


def a_program_of_the_wrong_size_is_not_run(script, images, *, change):
    program = program_bytes(script.compiled)
    wrong = program[:change] if change < 0 else program + bytes(range(change))
    script.load().infer(images[2]).clear().do(["write", ADDRESS["control"], 0, 15])
    script.do(["send", wrong.hex(), True]).event("program_size").expect("events", EVENT["program_size"])
    script.expect("status", 0).do(["write", ADDRESS["control"], 1, 15], ["wait", 4]).expect("control", 0)
    script.clear().load().infer(images[3]).expect("events", EVENT["result"])


def an_image_of_the_wrong_size_gets_no_answer_and_the_next_one_does(script, images, *, change):
    image = image_bytes(script.compiled, images[2])
    wrong = image[:change] if change < 0 else image + bytes(range(change))
    script.load().infer(images[2]).clear()
    script.do(["send", wrong.hex(), True]).event("image_size").expect("events", EVENT["image_size"]).clear()
    script.infer(images[3]).expect("images", 2).expect("events", EVENT["result"])


def answers_before_an_image_of_the_wrong_size_are_not_lost(script, images):
    script.load().do(["hold", True])
    for image in images[2:4]:
        script.do(["send", image_bytes(script.compiled, image).hex(), True])
    script.do(["send", image_bytes(script.compiled, images[4])[:-1].hex(), True]).event("image_size")
    script.do(["wait", 500], ["hold", False]).receive(images[2]).receive(images[3])
    script.infer(images[5]).expect("images", 3)


def a_damaged_program_stops_the_engine_which_drops_images_until_a_load(script, images):
    damaged = bytearray(program_bytes(script.compiled))
    damaged[len(damaged) // 2] ^= 4
    script.load().infer(images[2]).clear()
    script.do(["write", ADDRESS["control"], 0, 15], ["send", damaged.hex(), True])
    script.do(["poll", ADDRESS["status"], STATUS["loaded"], STATUS["loaded"]], ["write", ADDRESS["control"], 1, 15])
    script.event("engine_error").expect("status", STATUS["loaded"] | STATUS["running"] | 4 << 8)
    for _ in range(2):
        script.clear().do(["send", image_bytes(script.compiled, images[3]).hex(), True]).event("dropped")
        script.expect("events", EVENT["dropped"])
    script.clear().load().infer(images[3]).expect("events", EVENT["result"])


def the_interrupt_is_high_while_an_enabled_event_is_set(script, images):
    script.load().irq(0).infer(images[2]).irq(0)
    script.do(["write", ADDRESS["interrupt_enable"], EVENT["image_size"], 15], ["wait", 2]).irq(0)
    script.do(["write", ADDRESS["interrupt_enable"], EVENT["result"], 15], ["wait", 2]).irq(1)
    script.do(["write", ADDRESS["events"], EVENT["image_size"], 15], ["wait", 2]).irq(1)
    script.clear().do(["wait", 2]).irq(0).infer(images[3]).do(["wait", 2]).irq(1)
    script.do(["write", ADDRESS["interrupt_enable"], 0, 15])


def an_engine_that_is_stopped_in_the_middle_of_an_image_takes_the_next_program(script, images):
    image = image_bytes(script.compiled, images[2])
    half = [[value, 1, 0] for value in image[:5]]
    script.load().infer(images[2]).clear().do(["keep", half], ["wait", 20])
    script.do(["write", ADDRESS["control"], 0, 15]).event("dropped").do(["send", image[5:].hex(), True])
    script.clear().load().infer(images[3]).expect("events", EVENT["result"])


def a_reset_by_register_is_as_good_as_one_by_wire(script, images):
    script.load().infer(images[2])
    script.do(["send", image_bytes(script.compiled, images[3]).hex(), True])
    script.do(["write", ADDRESS["control"], 0x101, 15], ["wait", 8])
    script.expect("control", 0).expect("status", 0).expect("events", 0).expect("images", 0)
    script.expect("cycles", 0).load().infer(images[4]).expect("images", 1)


def clocks_in_which_the_engine_waits_for_a_byte_are_counted(script, images):
    image = image_bytes(script.compiled, images[2])
    words = [[value, 1, int(i == len(image) - 1)] for i, value in enumerate(image)]
    reads = []
    for pause in (100, 150):
        script.do(["write", ADDRESS["control"], 0x100, 15], ["wait", 40]).load().do(["wait", 400])
        script.do(["keep", words[:5]], ["wait", pause], ["keep", words[5:]]).receive(images[2]).do(["wait", 20])
        reads.append(len(script.operations))
        script.do(["read", ADDRESS["stalls"]])
    script.checks.append((reads[0], lambda results, at: results[reads[1]] - results[at], 50))


def words_that_come_too_fast_are_lost_and_said_to_be(script, images):
    script.load().expect("data_space", 16)
    script.do(["send", image_bytes(script.compiled, images[2]).hex(), True], ["keep", [[0, 15, 0]] * 30])
    script.expect("data_space", 0).event("data_full").do(["write", ADDRESS["control"], 0x100, 15], ["wait", 4])
    script.expect("data_space", 16).expect("logits_waiting", 0).load().infer(images[3])


def a_logit_that_is_not_there_reads_zero_and_sets_its_bit(script, images):
    script.load().infer(images[2]).clear().expect("logit", 0)
    script.expect("events", EVENT["logit_empty"]).infer(images[3])


BOTH = [
    running_before_a_program_is_loaded_is_refused,
    *(functools.partial(a_program_of_the_wrong_size_is_not_run, change=change) for change in (-1, 1, -5, 7)),
    *(
        functools.partial(an_image_of_the_wrong_size_gets_no_answer_and_the_next_one_does, change=change)
        for change in (-1, 1, -3, 9)
    ),
    a_damaged_program_stops_the_engine_which_drops_images_until_a_load,
    the_interrupt_is_high_while_an_enabled_event_is_set,
    an_engine_that_is_stopped_in_the_middle_of_an_image_takes_the_next_program,
    a_reset_by_register_is_as_good_as_one_by_wire,
    clocks_in_which_the_engine_waits_for_a_byte_are_counted,
]
SCENARIOS = {
    Bus.AXI: [*BOTH, answers_before_an_image_of_the_wrong_size_are_not_lost],
    Bus.WISHBONE: [
        *BOTH,
        words_that_come_too_fast_are_lost_and_said_to_be,
        a_logit_that_is_not_there_reads_zero_and_sets_its_bit,
    ],
}


def name(scenario):
    if isinstance(scenario, functools.partial):
        return f"{scenario.func.__name__}, {scenario.keywords['change']}"
    return scenario.__name__


@pytest.fixture(scope="module")
def outcomes(simulation):
    """Return every scenario's script and results; all of a bus run one after another, each behind a reset."""

    @functools.cache
    def run(bus):
        compiled, images = tiny()
        scripts = {}
        operations = []
        starts = []
        for scenario in SCENARIOS[bus]:
            scripts[name(scenario)] = script = Script(compiled)
            scenario(script, images)
            operations += [["write", ADDRESS["control"], 0x100, 15], ["wait", 40]]
            starts.append(len(operations))
            operations += script.operations
        results = run_operations(simulation(compiled.config, bus), bus, operations)
        return {key: (script, results[at:]) for (key, script), at in zip(scripts.items(), starts, strict=True)}

    return run


@pytest.mark.parametrize(("bus", "scenario"), [(bus, name(each)) for bus in Bus for each in SCENARIOS[bus]])
def test_a_mistake_sets_its_bit_and_what_follows_is_right(outcomes, bus, scenario):
    script, results = outcomes(bus)[scenario]
    assert script.checks
    script.judge(results)


@pytest.mark.parametrize("width", [pytest.param(1, marks=pytest.mark.full), 4])
def test_bytes_that_are_not_kept_do_not_count(simulation, width):
    compiled, images = tiny()
    data = list(image_bytes(compiled, images[2]))
    words, i = [], 0
    while i < len(data):
        keep = [0b1011, 0, 0b0001, 0b1111, 0b0110, 0b1000][len(words) % 6] & (1 << width) - 1
        word = 0
        for lane in range(width):
            value = 0xEE
            if keep >> lane & 1:
                if i < len(data):
                    value = data[i]
                    i += 1
                else:
                    keep &= ~(1 << lane)
            word |= value << 8 * lane
        words.append([word, keep, int(i == len(data))])
    right = wanted(compiled, images[2:3])[0][0]
    # A word of no bytes may also end a frame, which is then too short.
    script = Script(compiled).load().do(["keep", words]).receive(images[2]).clear()
    script.do(["keep", [[5, 1, 0], [0, 0, 1]]]).event("image_size").infer(images[3])
    assert right
    script.run(simulation, Bus.AXI, stream_bytes=width)


@pytest.mark.parametrize(
    ("bus", "options"),
    [(Bus.AXI, {"stream_bytes": 1}), pytest.param(Bus.WISHBONE, {"pipelined": True}, marks=pytest.mark.full)],
)
def test_activations_of_four_bits_share_a_byte(simulation, bus, options):
    compiled, images = narrow()
    image = image_bytes(compiled, images[2])
    script = Script(compiled).load().infer(images[2]).clear()
    script.do(["send", image[:-1].hex(), True]).event("image_size").infer(images[3]).run(simulation, bus, **options)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"activation_bits": 5}, "activations of 4 or 8 bits, the engine has 5"),
        ({"program_words": 1024, "clusters": 2}, "one cluster, the engine has 2"),
    ],
)
def test_an_engine_that_a_bus_cannot_carry_is_refused(changes, sentence):
    for bus in Bus:
        with pytest.raises(ValueError, match=sentence):
            make_core(make_config(**changes), bus)


def test_a_stream_of_another_width_is_refused():
    with pytest.raises(ValueError, match="8 or 32 bits, got 16"):
        make_core(tiny()[0].config, Bus.AXI, stream_bytes=2)

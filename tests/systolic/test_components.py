import numpy as np
import pytest

from hw.graph import Alphabet
from hw.memory import MainMemory, ecp5_column_bits
from hw.systolic import timing
from hw.systolic.accumulator import Accumulator
from hw.systolic.image_loader import ImageLoader
from hw.systolic.load_checksum import LoadChecksum
from hw.systolic.program import TWO_PLANES, Opcode, closing_word, encode
from hw.systolic.program import lanes as lanes_of
from hw.systolic.requantizer import Requantizer
from hw.systolic.stream_register import StreamRegister
from tests.systolic.support import make_config, simulate


@pytest.mark.parametrize("seed", range(4))
def test_the_requantiser_equals_its_formula(seed):
    least, late_bits = ((0, 0), (3, 0), (10, 8), (16, 16))[seed]
    config = make_config(
        acc_width=18, scaled_width=40, output_shift=seed * 4, min_residual_shift=least, registered_ram=False
    )
    assert config.late_addend_bits == late_bits
    rng = np.random.default_rng(seed)
    n = 60
    acc = rng.integers(-(1 << 17), 1 << 17, n)
    acc[:2] = -(1 << 17), (1 << 17) - 1
    factor = {
        "two_terms": rng.integers(0, 2, n),
        "subtract": rng.integers(0, 2, n),
        "shift": rng.integers(0, 4, n),
    }
    scale_shift = rng.integers(0, 12, n)
    factor["subtract"] &= factor["two_terms"]
    addend = rng.integers(-(1 << 34), 1 << 34, n)
    residual = rng.integers(0, 256, n)
    other = rng.integers(0, 256, n) * rng.integers(0, 2, n)
    shift, maximum = int(rng.integers(0, 20 - least)), (255, 15, 3, 7)[seed]
    early, late = addend >> late_bits << late_bits, addend & (1 << late_bits) - 1
    dut = Requantizer(config)
    totals, results = [], []

    async def testbench(ctx):
        ctx.set(dut.residual_shift, shift)
        ctx.set(dut.maximum, maximum)
        for clock in range(n + 8):
            for port, at, values in (
                (dut.acc, 0, acc), (dut.residual, 1, residual), (dut.scale_shift, 2, scale_shift), (dut.other, 5, other)
            ):  # fmt: skip
                if 0 <= clock - at < n:
                    ctx.set(port, int(values[clock - at]))
            # The lowest bits of a sum's addend are there a clock behind its others.
            high, low = (int(values[min(max(clock - at, 0), n - 1)]) for at, values in ((2, early), (3, late)))
            ctx.set(dut.addend, high | low)
            if 0 <= clock - 1 < n:
                ctx.set(dut.factor, {name: int(v[clock - 1]) for name, v in factor.items()})
            await ctx.tick()
            totals.append(ctx.get(dut.total))
            results.append(ctx.get(dut.result))

    simulate(dut, testbench)
    assert totals[3 : 3 + n] == dut.model_total(acc, factor, scale_shift, addend, residual, shift).tolist()
    wanted = dut.model(acc, factor, scale_shift, addend, residual, shift, maximum, other)
    assert results[dut.cycles() - 1 : dut.cycles() - 1 + n] == wanted.tolist()


@pytest.mark.parametrize("registered_ram", [False, True])
@pytest.mark.parametrize("shift", [None, 2])
def test_the_accumulator_adds_passes_pixel_by_pixel_with_pauses_and_begins_anew(shift, registered_ram):
    planes = 1 if shift is None else 2
    config = make_config(acc_width=20, activation_bits=4, image_planes=planes, registered_ram=registered_ram)
    rng = np.random.default_rng(0)
    tiles, passes, pixels = 2, 4, 9
    sums = rng.integers(-5000, 5000, (tiles, passes, pixels, config.tile_cols))
    dut = Accumulator(config)
    read = timing.psum_read(config)
    got = []

    async def testbench(ctx):
        queue = list(np.ndindex(tiles, passes, pixels))
        line: list[tuple[int, ...] | None] = [None] * read
        answers = {}
        clock = 0
        while queue or any(line) or clock < 4 * tiles * passes * pixels:
            slot = queue.pop(0) if queue and rng.random() < 0.7 else None
            ctx.set(dut.slot.valid, slot is not None)
            if slot is not None:
                ctx.set(dut.slot.start, slot[2] == 0)
                ctx.set(dut.slot.first, slot[1] == 0)
                ctx.set(dut.slot.shift, slot[1] == shift)
            line.append(slot)
            now = line.pop(0)
            if now is not None:
                for h in range(config.tile_cols):
                    ctx.set(dut.sums[h], int(sums[*now, h]))
            await ctx.tick()
            if now is not None:
                answers[now] = [ctx.get(dut.psums[h]) for h in range(config.tile_cols)]
            clock += 1
        got.extend([answers[t, passes - 1, i] for i in range(pixels)] for t in range(tiles))

    simulate(dut, testbench)
    assert got == [dut.model(tile, shift).tolist() for tile in sums]


@pytest.mark.parametrize(
    "fields",
    [
        {
            "width": 5,
            "height": 3,
            "pad_left": 1,
            "pad_right": 1,
            "channels": 0,
            "window": 3,
            "step": 1,
            "zero_point": 8,
        },
        {
            "width": 6,
            "height": 2,
            "pad_left": 0,
            "pad_right": 2,
            "channels": 1,
            "window": 2,
            "step": 2,
            "zero_point": 0,
        },
        {
            "width": 4,
            "height": 4,
            "pad_left": 2,
            "pad_right": 0,
            "channels": 2,
            "window": 1,
            "step": 1,
            "zero_point": 4,
        },
        {
            "width": 5,
            "height": 6,
            "pad_left": 1,
            "pad_right": 1,
            "channels": 1,
            "window": 3,
            "step": 1,
            "zero_point": 4 | TWO_PLANES,
        },
    ],
)
@pytest.mark.parametrize("registered", [False, True])
def test_the_image_loader_packs_windows(fields, registered):
    planes = 2 if fields["zero_point"] > TWO_PLANES else 1
    bits = 8 // planes
    config = make_config(activation_bits=bits, image_planes=planes, registered_ram=registered)
    assert config.shares_word != registered
    rng = np.random.default_rng(0)
    image = rng.integers(0, 1 << bits, (fields["height"], fields["width"], fields["channels"] + 1))
    dut = ImageLoader(config)
    words, busy = {}, []

    async def testbench(ctx):
        for name, value in fields.items():
            ctx.set(dut.fields[name], value)
        ctx.set(dut.fields.address, 40)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        stream = image.ravel().tolist()
        while ctx.get(dut.busy):
            busy.append(1)
            assert len(busy) <= dut.cycles(fields)
            ctx.set(dut.image.valid, bool(stream))
            ctx.set(dut.image.payload, stream[0] if stream else 0)
            # The data come with the address, or a clock behind it.
            address = ctx.get(dut.write_address) if ctx.get(dut.write_enable) else None
            if address is not None and registered:
                words[address] = ctx.get(dut.write_data)
            taken = stream and ctx.get(dut.image.ready)
            await ctx.tick()
            if address is not None and not registered:
                words[address] = ctx.get(dut.write_data)
            if taken:
                stream.pop(0)
        assert not stream

    simulate(dut, testbench)
    wanted = dut.model(image, fields)
    used = wanted.shape[1]
    assert sorted(words) == list(range(40, 40 + len(wanted)))
    for i, lanes in enumerate(wanted):
        got = [words[40 + i] >> bits * lane & (1 << bits) - 1 for lane in range(config.rows - used, config.rows)]
        assert got == lanes.tolist()
    assert len(busy) == dut.cycles(fields)


@pytest.mark.parametrize("column_bits", [None, 16, 8, 4, 1])
def test_main_memory_answers_three_clocks_later_and_masks_writes(column_bits):
    dut = MainMemory(32, 16, 8, single_port=False, column_bits=column_bits, init=[0x11223344])
    got = []

    async def testbench(ctx):
        ctx.set(dut.write_enable, 1)
        ctx.set(dut.write_address, 0)
        ctx.set(dut.write_data, 0xAABBCCDD)
        ctx.set(dut.write_mask, 0b0101)
        await ctx.tick()
        ctx.set(dut.write_enable, 0)
        ctx.set(dut.read_address, 0)
        await ctx.tick().repeat(dut.cycles())
        got.append(ctx.get(dut.read_data))

    simulate(dut, testbench)
    assert got == [0x11BB33DD]


def test_a_program_memory_without_lanes_is_cut_into_columns():
    words = [0x123456789ABC, 0xFEDCBA987654]
    for depth, width in ((512, 32), (1024, 16), (2048, 8), (4096, 4), (8192, 2), (16384, 1)):
        assert (ecp5_column_bits(depth) == width and ecp5_column_bits(depth + 1) < width) or width == 1
        dut = MainMemory(48, 2, 48, single_port=False, column_bits=width, init=words)
        got = []

        async def testbench(ctx, dut=dut, got=got):
            for address in (0, 1):
                ctx.set(dut.read_address, address)
                await ctx.tick().repeat(dut.cycles())
                got.append(ctx.get(dut.read_data))

        simulate(dut, testbench)
        assert got == words


def test_a_stream_register_loses_and_repeats_nothing():
    dut = StreamRegister(8)
    rng = np.random.default_rng(0)
    sent, got = list(range(1, 120)), []

    async def testbench(ctx):
        at = 0
        for _ in range(2000):
            offers, takes = at < len(sent) and rng.random() < 0.7, rng.random() < 0.6
            ctx.set(dut.i.valid, offers)
            ctx.set(dut.i.payload, sent[at] if offers else 0)
            ctx.set(dut.o.ready, takes)
            at += offers and ctx.get(dut.i.ready)
            if takes and ctx.get(dut.o.valid):
                got.append(ctx.get(dut.o.payload))
            await ctx.tick()

    simulate(dut, testbench)
    assert got == sent


def test_an_instruction_field_that_does_not_fit_is_named():
    config = make_config()
    with pytest.raises(ValueError, match="END: target = 70000 does not fit 16 bits"):
        encode(Opcode.END, config, target=70000)
    with pytest.raises(ValueError, match="END: fields"):
        encode(Opcode.END, config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 7}, "rows must be even"),
        ({"cols": 3}, "multiple of cols"),
        ({"rows": 16, "cols": 2}, "at most four times cols"),
        ({"activation_bits": 9}, "activation_bits"),
        ({"columns_per_requantizer": 3}, "columns_per_requantizer"),
        ({"psum_depth": 33}, "psum_depth"),
        ({"alphabet": Alphabet.s3(5), "activation_bits": 4}, "does not fit a lane"),
        ({"scaled_width": 10}, "scaled_width"),
        ({"step_bits": 13}, r"step_bits must be 1..12, got 13"),
        ({"stride_bits": 0}, r"stride_bits must be 1..4, got 0"),
        ({"class_bits": 11}, r"class_bits must be 1..10, got 11"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(changes, message):
    with pytest.raises(ValueError, match=message):
        make_config(**changes)


@pytest.mark.parametrize(("bits", "rows"), [(2, 16), (3, 16), (4, 16), (5, 8), (6, 8), (7, 8), (8, 8), (8, 4)])
def test_the_checksum_finds_a_changed_lane_exchanged_lanes_exchanged_words_and_a_missing_end(bits, rows):
    config = make_config(activation_bits=bits, rows=rows, cols=4, tile_cols=2, alphabet=Alphabet.s3(2))
    rng = np.random.default_rng(bits)
    words = [int(w) & (1 << config.word_bits) - 1 for w in rng.integers(0, 2**63, 20)]
    lanes = lanes_of([*words, closing_word(words, config)], config)
    changed, exchanged = bytearray(lanes), bytearray(lanes)
    changed[33] ^= 2
    other = next(i for i in range(41, 60) if lanes[i] != lanes[40])
    exchanged[40], exchanged[other] = exchanged[other], exchanged[40]
    words[3], words[11] = words[11], words[3]
    moved = lanes_of(
        [*words, closing_word([*words[:3], words[11], *words[4:11], words[3], *words[12:]], config)], config
    )
    dut = LoadChecksum(config)
    seen = []

    async def testbench(ctx):
        for program in (lanes, changed, exchanged, moved, lanes[:-rows], [], lanes):
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            for lane in program:
                ctx.set(dut.lane, lane)
                ctx.set(dut.valid, 1)
                await ctx.tick()
                ctx.set(dut.valid, 0)
                if rng.integers(2):
                    await ctx.tick()
            await ctx.tick().repeat(dut.cycles())
            seen.append(ctx.get(dut.intact))

    simulate(dut, testbench)
    # No program at all: what arrived last is still there, and still damaged.
    assert seen == [1, 0, 0, 0, 0, 0, 1]

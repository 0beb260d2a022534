import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.graph import Alphabet
from hw.systolic.array import ShiftAddArray
from hw.systolic.compiler.assemble import weight_words
from hw.systolic.multiplier import cell_pair
from hw.systolic.processing_element import CellPair, borrow, cell_codes
from hw.systolic.widths import sum_width
from tests.systolic.support import make_config, simulate

ALPHABETS = [Alphabet.s3(b) for b in (2, 3, 4, 5)] + [Alphabet.s3(4, 3)] + [Alphabet.dense(b) for b in (2, 3)]
RIVALS = [Alphabet.integer(4), Alphabet.integer(8)]


def run_cells(alphabet, bits, weights, activations, *, apart):
    """Return the pair's sums for the activations, one a clock."""
    dut = cell_pair(bits, alphabet, apart=apart)
    got = []

    async def testbench(ctx):
        codes = cell_codes(alphabet, np.array(weights), apart=apart)
        ctx.set(dut.code0, int(codes[0]))
        ctx.set(dut.code1, int(codes[1]))
        ctx.set(dut.capture, 1)
        await ctx.tick()
        ctx.set(dut.capture, 0)
        for a0, a1 in [*activations, (0, 0), (0, 0)]:
            ctx.set(dut.a0, int(a0))
            ctx.set(dut.a1, int(a1))
            await ctx.tick()
            got.append(ctx.get(dut.total))

    simulate(dut, testbench)
    return dut, got[dut.cycles() - 1 : dut.cycles() - 1 + len(activations)]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("alphabet", ALPHABETS + RIVALS, ids=str)
def test_a_pair_of_cells_equals_multiplication_for_all_weights(alphabet, apart):
    values = alphabet.values if alphabet.bits < 4 else alphabet.values[:: max(1, len(alphabet.values) // 7)]
    activations = np.array([(0, 0), (255, 255), (255, 0), (0, 255), (1, 2), (170, 85)])
    for w0 in values:
        for w1 in values:
            dut, got = run_cells(alphabet, 8, (w0, w1), activations, apart=apart)
            assert got == dut.model(np.array([w0, w1]), activations).tolist(), (w0, w1)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_pair_of_cells_equals_multiplication_at_every_width(data):
    alphabet = data.draw(st.sampled_from(ALPHABETS + RIVALS))
    bits = data.draw(st.integers(1, 8))
    weights = data.draw(st.tuples(*[st.sampled_from(alphabet.values)] * 2))
    one = st.integers(0, (1 << bits) - 1)
    activations = data.draw(st.lists(st.tuples(one, one), min_size=1, max_size=8))
    dut, got = run_cells(alphabet, bits, weights, activations, apart=data.draw(st.booleans()))
    assert got == dut.model(np.array(weights), np.array(activations)).tolist()


def test_the_borrow_is_where_the_sum_is_one_too_low():
    upper, lower = np.array([1, 1, -1, -1, -1, 0, 0]), np.array([1, -1, 1, -1, 0, -1, 0])
    assert borrow(Alphabet.s3(3), upper, lower, apart=False).tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert borrow(Alphabet.s3(3), upper, lower, apart=True).tolist() == [0, 1, 1, 2, 1, 1, 0]
    assert borrow(Alphabet.integer(4), upper, lower, apart=True).tolist() == [0] * 7


def test_the_sum_width_holds_the_extremes_and_no_bit_more():
    assert sum_width(8, Alphabet.s3(3), 2) == 12
    assert sum_width(8, Alphabet.s3(3), 8) == 14


@pytest.mark.parametrize(
    ("rows", "cols", "tile_rows", "tile_cols"),
    [(8, 8, 2, 2), (8, 8, 8, 8), (4, 2, 2, 1), (8, 4, 4, 2), (16, 8, 4, 4)],
)
@pytest.mark.parametrize("alphabet", [Alphabet.s3(3), Alphabet.dense(3), Alphabet.s3(5), Alphabet.integer(8)], ids=str)
def test_the_array_takes_weights_right_behind_activations_and_activations_right_behind_weights(
    rows, cols, tile_rows, tile_cols, alphabet
):
    config = make_config(
        rows=rows, cols=cols, tile_rows=tile_rows, tile_cols=tile_cols, alphabet=alphabet, memory_words=256
    )
    rng = np.random.default_rng(rows + cols)
    weights = [rng.choice(alphabet.values, size=(rows, cols)) for _ in range(3)]
    slots = 12
    inputs = [rng.integers(0, 256, (slots, rows)) for _ in range(3)]
    inputs[0][:2] = 255
    dut = ShiftAddArray(config)
    sums, issued = [], {}

    async def testbench(ctx):
        async def put(lanes, *, load=False, begin=False):
            for r, lane in enumerate(lanes):
                ctx.set(dut.lanes[r], int(lane))
            ctx.set(dut.load, load)
            ctx.set(dut.begin, begin)
            await ctx.tick()
            sums.append([ctx.get(dut.sums[c]) for c in range(cols)])

        async def put_weights(k):
            for i, word in enumerate(weight_words(weights[k], config)):
                await put([word >> (8 * r) & 255 for r in range(rows)], load=True, begin=i == 0)
                if k == 1:
                    await put(inputs[0][0])

        for k in range(3):
            await put_weights(k)
            for n in range(slots):
                issued[len(sums)] = (k, n)
                await put(inputs[k][n])
        for _ in range(rows + cols + 4):
            await put([0] * rows)

    simulate(dut, testbench)
    wanted = [dut.model(w, x) for w, x in zip(weights, inputs, strict=True)]
    for clock, (k, n) in issued.items():
        for c in range(cols):
            got = sums[clock + dut.cycles(c // config.tile_cols) - 1][c]
            assert got == wanted[k][n, c], (k, n, c)


def test_a_wrong_width_is_refused():
    with pytest.raises(ValueError, match="activation_bits"):
        CellPair(9, Alphabet.s3(3))

"""Polyphase sampling, tables, balances and maps that wrap around: by hand, and refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from hw.graph import AddressShift, Balance, MaxPool, NetworkError, Padding, Polyphase, Rescale, Table, Tensor

X = Tensor("x", 2, 4, 4, 8, 0, 4)
HALF = replace(X, name="y", height=2, width=2)


def sample(phase, value=9):
    """A map whose given phase is largest by one pixel."""
    x = np.arange(32, dtype=np.uint8).reshape(1, 2, 4, 4) % 3
    x[0, 1, 2 + phase[0], phase[1]] += value
    return x


@pytest.mark.parametrize("phase", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_the_phase_of_the_largest_norm_is_taken(phase):
    node, tensors = Polyphase("p", "x", "y", "x"), {"x": X, "y": HALF}
    node.validate(tensors)
    # Large enough for any of the four to win.
    x = sample(phase, 40)
    i, j = phase
    assert np.array_equal(node.run({"x": x}, tensors), x[:, :, i::2, j::2])


def test_of_equal_norms_the_lowest_index_is_taken_and_counted_as_a_tie():
    node, tensors = Polyphase("p", "x", "y", "x"), {"x": X, "y": HALF}
    x = np.zeros((5, 2, 4, 4), np.uint8)
    for image, (i, j) in enumerate([(1, 0), (0, 1), (1, 1)]):
        x[image, 0, i, j] = 5
    # Phases 1 and 2 are alike, then 2 and 3.
    x[3, 0, 1, 0] = x[3, 1, 0, 3] = x[4, 0, 0, 1] = x[4, 1, 3, 3] = 7
    y = node.run({"x": x}, tensors)
    want = [(1, 0), (0, 1), (1, 1), (1, 0), (0, 1)]
    assert all(np.array_equal(y[n], x[n, :, i::2, j::2]) for n, (i, j) in enumerate(want))
    assert node.ties({"x": x}).tolist() == [False, False, False, True, True]
    assert node.norms({"x": x})[4].tolist() == [0, 0, 7, 7]


def test_a_guide_chooses_for_another_map():
    guide = Tensor("g", 1, 4, 4, 4, 0, 0)
    tensors = {"x": X, "y": HALF, "g": guide}
    node = Polyphase("p", "x", "y", "g")
    node.validate(tensors)
    x, g = sample((0, 0), 200), np.zeros((1, 1, 4, 4), np.uint8)
    g[0, 0, 3, 2] = 1
    assert node.inputs == ("x", "g") and np.array_equal(node.run({"x": x, "g": g}, tensors), x[:, :, 1::2, 0::2])


def test_a_shift_of_the_map_shifts_the_sample():
    rng = np.random.default_rng(0)
    node, tensors = Polyphase("p", "x", "y", "x"), {"x": X, "y": HALF}
    x = rng.integers(0, 256, (50, 2, 4, 4)).astype(np.uint8)
    assert not node.ties({"x": x}).any()
    plain = node.run({"x": x}, tensors)
    for dy in range(4):
        for dx in range(4):
            moved = node.run({"x": np.roll(x, (dy, dx), (2, 3))}, tensors)
            rolled = [np.roll(plain, (a, b), (2, 3)) for a in range(2) for b in range(2)]
            assert all(any(np.array_equal(moved[n], r[n]) for r in rolled) for n in range(len(x)))


def test_a_table_and_a_balance_by_hand():
    a = Tensor("a", 2, 1, 1, 3, 4, 2)
    table = Table("t", "a", "b", np.arange(8, dtype=np.uint8)[::-1].copy())
    tensors = {"a": a, "b": replace(a, name="b"), "x": X, "y": replace(X, name="y")}
    table.validate(tensors)
    b = table.run({"a": np.array([[[[0]], [[6]]]], np.uint8)}, tensors)
    assert b.ravel().tolist() == [7, 1]
    # y = (2·sign·(u - 4) + 4·x + 2) >> 2 with signs -1 and 0.
    two = np.full(2, 2, np.int64)
    zero = np.zeros(2, np.int64)
    node = Balance("m", "b", "x", "y", np.array([-1, 0], np.int8), Rescale(zero, zero, two, zero + 1, two, two))
    node.validate(tensors)
    x = np.arange(32, dtype=np.uint8).reshape(1, 2, 4, 4)
    y = node.run({"b": b, "x": x}, tensors)
    assert y[0, 0].ravel().tolist() == [max(0, (4 * v - 6 + 2) >> 2) for v in range(16)]
    assert np.array_equal(y[0, 1], x[0, 1])


def test_a_pool_and_a_shift_that_wrap_around():
    x = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    tensors = {"x": replace(X, channels=1), "y": replace(X, channels=1, name="y")}
    pool = MaxPool("p", "x", "y", (2, 2), (1, 1), Padding(0, 1, 0, 1), circular=True)
    pool.validate(tensors)
    # The largest numbers come first, so the windows at the far ends find them behind the border.
    assert pool.run({"x": 15 - x}, tensors)[0, 0].tolist() == [
        [15, 14, 13, 15], [11, 10, 9, 11], [7, 6, 5, 7], [15, 14, 13, 15],
    ]  # fmt: skip
    shift = AddressShift("s", "x", "y", ((1, -1),), circular=True)
    assert np.array_equal(shift.run({"x": x}, tensors), np.roll(x, (-1, 1), (2, 3)))


Y = replace(X, name="y")
A = Tensor("a", 2, 1, 1, 8, 128, 7)


def balance(**changes):
    fields = {"sign": np.ones(2, np.int8), "rescale": Rescale.identity(2)}
    return Balance("m", "a", "x", "y", **(fields | changes))


@pytest.mark.parametrize(
    ("node", "tensors", "message"),
    [
        (Polyphase("p", "x", "y", "x"), {"x": replace(X, height=3)}, "'p': samples a map of 3 x 4, supported are even"),
        (Polyphase("p", "x", "y", "g"), {}, "'p': guide 'g' is not a tensor"),
        (Polyphase("p", "x", "y", "g"), {"g": replace(X, height=2)}, "'p': the guide is 2 x 4, the input 4 x 4"),
        (Polyphase("p", "x", "y", "x"), {"x": replace(X, zero_point=128)}, "'p': the guide's zero point is 128"),
        (Polyphase("p", "x", "y", "x"), {"y": replace(HALF, channels=3)}, r"'p': the output is \(3, 2, 2\), half"),
        (Polyphase("p", "x", "y", "x"), {"y": replace(HALF, exponent=1)}, "'p': the output's exponent must be"),
        (Table("t", "x", "y", np.zeros(128, np.uint8)), {"y": Y}, "'t': the table has 128 entries, 8 bits need 256"),
        (Table("t", "x", "y", np.zeros(256, np.uint8)), {"y": HALF}, "'t': the input is .* they must be equal"),
        (Table("t", "x", "y", np.arange(256, dtype=np.uint8)), {"y": replace(Y, bits=7)}, "'t': the table has 255"),
        (balance(), {"y": HALF}, r"'m': residual is \(2, 4, 4\), the output \(2, 2, 2\)"),
        (balance(), {"y": Y, "a": replace(A, width=2)}, r"'m': the input is \(2, 1, 2\), one number a channel"),
        (balance(sign=np.full(2, 2, np.int8)), {"y": Y}, "'m': sign must be 2 numbers of -1, 0 and 1"),
        (balance(rescale=Rescale.identity(3)), {"y": Y}, "'m': rescale.t must be 2 64-bit integers"),
        (
            MaxPool("p", "x", "y", (6, 1), (1, 1), Padding(0, 5, 0, 0), circular=True),
            {"y": Y},
            "'p': circular padding wider than the map",
        ),
    ],
)
def test_a_node_that_is_not_sound_is_refused_by_name(node, tensors, message):
    with pytest.raises(NetworkError, match=message):
        node.validate({"x": X, "y": HALF, "a": A} | tensors)

import numpy as np
import pytest

from hw.graph import Alphabet, NetworkError

ALL = [Alphabet.s3(b) for b in (2, 3, 4, 5)] + [Alphabet.dense(b) for b in (2, 3, 4)]
ALL += [Alphabet.s3(4, 3), Alphabet.s3(5, 6), Alphabet.integer(4), Alphabet.integer(8)]


def test_the_values_are_those_of_the_contract():
    assert Alphabet.s3(2).values == (-1, 0, 1)
    assert Alphabet.s3(3).values == (-4, -2, -1, 0, 1, 2, 4)
    assert Alphabet.s3(4).values[-1] == 64
    assert Alphabet.s3(5).values[-1] == 2**14
    assert Alphabet.dense(3).values == (-8, -4, -2, -1, 1, 2, 4, 8)


@pytest.mark.parametrize("alphabet", ALL, ids=str)
def test_decoding_the_codes_gives_the_values_back(alphabet):
    values = np.array(alphabet.values)
    codes = alphabet.encode(values)
    assert codes.max() < 1 << alphabet.bits
    assert np.array_equal(alphabet.decode(codes), values)
    assert Alphabet.parse(str(alphabet)) == alphabet


def test_the_sign_is_the_top_bit_and_the_magnitude_is_one_more_than_the_shift():
    assert Alphabet.s3(3).encode([1, 2, 4, -1, -4, 0]).tolist() == [1, 2, 3, 5, 7, 0]


def test_minus_zero_is_an_error():
    with pytest.raises(NetworkError, match="minus zero"):
        Alphabet.s3(3).decode([4])


def test_a_value_outside_is_named():
    with pytest.raises(NetworkError, match="weight 3 is not in the alphabet s3-3"):
        Alphabet.s3(3).encode([1, 3])


@pytest.mark.parametrize("text", ["s3-6", "s3-1", "dense-5", "s3", "x-3", "", "s3-33"])
def test_an_unknown_alphabet_is_refused(text):
    with pytest.raises(NetworkError):
        Alphabet.parse(text)


def test_cells_of_four_bits_up_to_eight_know_s3_and_denseshift_and_no_more():
    cells = Alphabet.parse("s3-4-max8")
    assert set(cells.values) == set(Alphabet.s3(3).values) | set(Alphabet.dense(3).values)
    with pytest.raises(NetworkError, match="weight 16 is not in the alphabet s3-4-max8"):
        cells.encode([16])
    with pytest.raises(NetworkError, match="weight code 5 is not in the alphabet s3-4-max8"):
        cells.decode([5])


@pytest.mark.parametrize("text", ["s3-4-max7", "s3-4-max64", "dense-3-max2", "int-9", "s3-4-max0"])
def test_limits_that_make_no_alphabet_are_refused(text):
    with pytest.raises(NetworkError):
        Alphabet.parse(text)

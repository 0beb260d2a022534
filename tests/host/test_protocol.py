"""Frames to bytes and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.errors import HostError
from host.protocol import FrameReader, Message, crc16, pack_lanes, reply, request
from host.transport import SlipDecoder, slip_encode
from hw.bus.frame_types import REPLY, REQUEST

FRAMES = st.tuples(st.integers(0, 7), st.integers(0, 255), st.binary(max_size=60))


@given(st.lists(FRAMES, max_size=5), st.integers(1, 9))
def test_frames_are_found_however_they_are_cut(frames, size):
    data = b"".join(reply(*frame) for frame in frames)
    reader = FrameReader(REPLY)
    found = [message for at in range(0, len(data), size) for message in reader.feed(data[at : at + size])]
    assert found == [Message(*frame) for frame in frames]


@given(FRAMES, st.data())
def test_damage_of_bytes_is_noticed_or_the_frame_is_equal(frame, data):
    raw = bytearray(request(*frame))
    # A CRC of 16 bits notices every burst of at most 16 bits.
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    if at + 1 < len(raw):
        raw[at + 1] ^= data.draw(st.integers(0, 255))
    found = FrameReader(REQUEST).feed(bytes(raw))
    assert found in ([], [Message(*frame)])


@given(FRAMES, FRAMES, st.data())
def test_a_byte_lost_costs_one_frame_only(first, second, data):
    raw = bytearray(request(*first))
    del raw[data.draw(st.integers(0, len(raw) - 1))]
    found = FrameReader(REQUEST).feed(bytes(raw) + request(*second))
    assert found[-1:] == [Message(*second)]


@given(st.binary(max_size=80), st.integers(1, 7))
def test_slip_gives_back_what_it_was_given(data, size):
    coded = slip_encode(data)
    assert 0xC0 not in coded
    decoder = SlipDecoder()
    assert b"".join(decoder.feed(coded[at : at + size] + b"") for at in range(0, len(coded), size)) == data


def test_small_activations_share_bytes():
    assert pack_lanes(bytes([1, 2, 15, 0]), 4) == bytes([0x21, 0x0F])
    with pytest.raises(HostError, match="pairs of 4-bit activations, got 3"):
        pack_lanes(bytes(3), 4)
    with pytest.raises(HostError, match="4 or 8 bits, the engine has 5"):
        pack_lanes(b"", 5)
    with pytest.raises(HostError, match="at most 16777215 bytes, got 16777216"):
        request(1, 1, bytes(1 << 24))


def test_the_crc_is_the_one_of_its_name():
    assert crc16(b"123456789") == 0x29B1

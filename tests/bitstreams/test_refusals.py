"""What the host, the boards and the tools refuse, and the sentence that says so."""

import importlib.metadata

import pytest

from bitstreams.boards import BOARDS
from bitstreams.toolchain import Toolchain, ToolError
from bitstreams.top import Top
from tests.systolic.support import make_config


def test_a_link_carries_activations_of_4_or_8_bits():
    with pytest.raises(ValueError, match="the UART link carries activations of 4 or 8 bits, the engine has 5"):
        Top(BOARDS["icebreaker"], make_config(activation_bits=5))
    with pytest.raises(ValueError, match="link 'usb' is unknown, supported are uart, spi"):
        Top(BOARDS["icebreaker"], make_config(), link="usb")


def test_a_tool_that_takes_too_long_is_stopped(tmp_path):
    with pytest.raises(ToolError, match="yosys took more than 0 s and was stopped"):
        Toolchain().run("yosys", ["-p", "read_verilog /dev/stdin"], tmp_path, "yosys.log", limit=0.01)


def test_a_tool_that_is_not_there(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("bitstreams.toolchain.version", missing)
    assert Toolchain().version("yosys")

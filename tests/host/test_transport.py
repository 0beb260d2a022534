"""A transport whose board goes away."""

import os
import pty
import threading

import pytest

from host.errors import HostError
from host.transport import descriptor_spi


def test_an_spi_whose_board_goes_away_while_it_is_read_is_one_sentence():
    board, line = pty.openpty()
    spi = descriptor_spi(os.ttyname(line))
    os.close(line)
    unplug = threading.Timer(0.3, os.close, (board,))
    unplug.start()
    with pytest.raises(HostError, match=r"the board is gone \(.*\); plug it in and connect again"):
        spi.read(3)
    unplug.join()
    spi.close()

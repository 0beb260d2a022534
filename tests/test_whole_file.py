import os
import stat
from pathlib import Path

import pytest

from hw.whole_file import whole_file, write_whole


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.json"
    with whole_file(path) as first, whole_file(path) as second:
        first.write_text("first")
        second.write_text("second")
        assert not path.exists()
    assert path.read_text() == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_an_error_names_the_file_that_was_wanted(tmp_path):
    with pytest.raises(OSError, match=r"No such file or directory: '.*none/a.json'"):
        write_whole(tmp_path / "none" / "a.json", b"")
    with pytest.raises(OSError, match=r"No space left on device: '.*/b.json'"), whole_file(tmp_path / "b.json"):
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"not a regular file: '.*/pipe'"):
        write_whole(path, "x")
    assert path.is_fifo() and [file.name for file in tmp_path.iterdir()] == ["pipe"]


def test_others_may_read_what_was_written(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644

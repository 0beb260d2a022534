"""Verilator's own sources are compiled once: by the same command only, and nothing depends on it."""

import os
import subprocess
import sys

import pytest

from sim import objects
from sim.verilator import environment

COMPILER = """
import pathlib, sys
with open("calls", "a") as calls:
    calls.write("x")
if "-broken" in sys.argv:
    sys.exit(3)
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text("object of " + " ".join(sys.argv[1:]))
"""


@pytest.fixture
def compiled(tmp_path):
    """Compile a source in a new folder; return the exit code, how often the compiler ran so far, and the object."""
    (tmp_path / "compiler.py").write_text(COMPILER)

    def run(source, *flags, folder=tmp_path / "kept"):
        (tmp_path / "made.o").unlink(missing_ok=True)
        command = [sys.executable, "compiler.py", *flags, "-c", "-o", "made.o", source]
        done = subprocess.run(
            [sys.executable, "-IS", objects.__file__, *command],
            cwd=tmp_path, env={**os.environ, objects.FOLDER: str(folder)}, check=False,
        )  # fmt: skip
        made = tmp_path / "made.o"
        return done.returncode, len((tmp_path / "calls").read_text()), made.read_text() if made.exists() else None

    return run


def test_the_same_command_is_run_once(compiled, tmp_path):
    first = compiled("/verilator/verilated.cpp", "-Os")
    assert (
        compiled("/verilator/verilated.cpp", "-Os")
        == first
        == (0, 1, "object of -Os -c -o made.o /verilator/verilated.cpp")
    )
    assert compiled("/verilator/verilated.cpp", "-O0")[1] == 2
    assert compiled("/other/verilated.cpp", "-Os")[1] == 3
    assert compiled("/verilator/verilated_vpi.cpp", "-Os")[1:] == (
        4,
        "object of -Os -c -o made.o /verilator/verilated_vpi.cpp",
    )
    assert len(list((tmp_path / "kept").iterdir())) == 4


def test_a_design_of_ones_own_is_compiled_each_time(compiled):
    assert [compiled("Vtop___024root__0.cpp")[1] for _ in range(2)] == [1, 2]


def test_a_failure_is_passed_on_and_not_kept(compiled, tmp_path):
    assert [compiled("/verilator/verilated.cpp", "-broken")[:2] for _ in range(2)] == [(3, 1), (3, 2)]
    assert not (tmp_path / "kept").exists()


def test_without_a_folder_to_write_to_it_compiles_all_the_same(compiled, tmp_path):
    (tmp_path / "file").touch()
    for count, folder in enumerate(["", tmp_path / "file", tmp_path / "file" / "below"]):
        code, calls, made = compiled("/verilator/verilated.cpp", folder=folder)
        assert (code, calls) == (0, count + 1) and made


def test_another_cache_of_the_users_own_is_left_alone(monkeypatch):
    assert "objects.py" in environment()["OBJCACHE"]
    monkeypatch.setenv("OBJCACHE", "ccache")
    assert environment()["OBJCACHE"] == "ccache"
    monkeypatch.delenv("OBJCACHE")
    monkeypatch.setenv(objects.FOLDER, "/elsewhere")
    assert environment()[objects.FOLDER] == "/elsewhere"

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from hw.bus.core_folder import image_size
from hw.bus.core_verilog import Bus
from hw.systolic.build import open_build
from sim.bus_simulation import image_bytes, program_bytes
from tests.bus.designs import narrow, tiny

runner = CliRunner()
NETWORK = Path("examples/digits-mlp.s3net").resolve()
USE = """
#include "shiftforge.h"
#include "shiftforge_network.h"
int main(void) {
    int32_t logits[SHIFTFORGE_NETWORK_CLASSES];
    uint8_t image[SHIFTFORGE_NETWORK_IMAGE_BYTES] = {0};
    shiftforge engine = {.base = logits, .polls = 1};
    shiftforge_answer answer = {.logits = logits, .classes = SHIFTFORGE_NETWORK_CLASSES};
    logits[0] = 0;
    if (shiftforge_init(&engine) != SHIFTFORGE_NOT_FOUND) return 1;
    return shiftforge_load(&engine, shiftforge_network_program, sizeof shiftforge_network_program,
                           SHIFTFORGE_NETWORK_IMAGE_BYTES, SHIFTFORGE_NETWORK_DIGEST) != SHIFTFORGE_SHAPE ||
           shiftforge_infer(0, image, sizeof image, &answer) != SHIFTFORGE_ARGUMENT;
}
"""


def run(*arguments):
    return runner.invoke(app, ["core", *(str(a) for a in arguments)])


def one_sentence(result, *words):
    assert result.exit_code == 1
    for word in words:
        assert word in " ".join(result.stderr.split()), result.stderr
    assert "Traceback" not in result.stderr + result.output


@pytest.mark.parametrize("bus", Bus)
def test_a_core_is_complete_and_its_driver_compiles(tmp_path, bus):
    out = tmp_path / "core"
    result = run(NETWORK, "--bus", bus.value, "--out", out)
    assert result.exit_code == 0, result.output
    text = (out / f"{bus.module}.v").read_text()
    assert text.startswith(f"// shiftforge engine on {bus.value}, for ") and f"module {bus.module}(" in text
    description = json.loads((out / "core.json").read_text())
    assert description["image_bytes"] == 64
    assert (out / "program.bin").stat().st_size == description["program_bytes"]
    core = yaml.safe_load((out / f"{bus.module}.core").read_text().removeprefix("CAPI=2:\n"))
    files = [name for fileset in core["filesets"].values() for name in fileset["files"]]
    for name in files:
        assert (out / (name if isinstance(name, str) else next(iter(name)))).is_file()
    compile((out / "litex_shiftforge.py").read_text(), "litex_shiftforge.py", "exec")
    for port in ("s_axi_awaddr", "s_axis_tdata", "m_axis_tdata") if bus is Bus.AXI else ("wb_adr_i", "wb_err_o"):
        assert f" {port};" in text and f"_{port}=" in (out / "litex_shiftforge.py").read_text()
    (out / "use.c").write_text(USE)
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "use.c", "shiftforge.c", "-o", "use"]
    subprocess.run(command, cwd=out, check=True)
    assert subprocess.run([out / "use"], check=False).returncode == 0


def test_the_engine_of_a_build_is_taken_as_it_is_and_an_old_core_replaced(tmp_path):
    build = tmp_path / "build"
    assert runner.invoke(app, ["generate", str(NETWORK), "--board", "ulx3s_85f", "--out", str(build)]).exit_code == 0
    out = tmp_path / "core"
    assert run("--engine", build, "--bus", "wishbone", "--out", out).exit_code == 0
    description = json.loads((out / "core.json").read_text())
    assert description["config"] == open_build(build).compiled.config.to_json()
    assert (out / "program.bin").read_bytes() == program_bytes(open_build(build).compiled)
    assert run("--engine", build, "--bus", "axi", "--stream-bits", "8", "--out", out).exit_code == 0
    assert (out / "shiftforge_axi.v").exists() and not (out / "shiftforge_wishbone.v").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build", "core"]


def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path):
    out = tmp_path / "core"
    one_sentence(run(NETWORK, "--bus", "ahb", "--out", out), "bus 'ahb' is unknown", "axi and wishbone")
    one_sentence(run("--out", out), "give a network")
    one_sentence(run(tmp_path / "none.s3net", "--out", out), "none.s3net")
    one_sentence(run("--engine", tmp_path, "--out", out), "not a build folder")
    one_sentence(run(NETWORK, "--stream-bits", "64", "--out", out), "8 or 32 bits, got 64")
    one_sentence(run("--engine", tmp_path, "--also", NETWORK, "--out", out), "without --also")
    one_sentence(run(NETWORK, "--board", "de10", "--out", out), "de10")
    assert not list(tmp_path.iterdir())
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    one_sentence(run(NETWORK, "--out", out), "exists and is no core")
    file = tmp_path / "file"
    file.write_text("mine")
    one_sentence(run(NETWORK, "--out", file), "exists and is no core")
    assert [path.name for path in out.iterdir()] == ["thesis.txt"] and file.read_text() == "mine"


def test_the_size_of_an_image_is_that_of_its_bytes():
    for compiled, images in (tiny(), narrow()):
        assert image_size(compiled) == len(image_bytes(compiled, images[0]))

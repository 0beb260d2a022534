"""``--json`` of every verb is one JSON value and nothing else; what goes wrong stays a sentence."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from cli.main import app

VERBS = [command.name for command in app.registered_commands]


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr
    return result


def found(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_it(verb):
    assert "--json" in run(verb, "--help").output


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("json")
    shutil.copy("examples/digits-mlp.s3net", folder / "net.s3net")
    return folder, found("generate", folder / "net.s3net", "--board", "hx8k_evn", "--out", folder / "build")


def test_generate_and_simulate_say_what_their_files_say(build):
    folder, generated = build
    written = json.loads((folder / "build" / "build.json").read_text())
    assert generated == {"folder": str(folder / "build"), **written}
    simulated = found("simulate", folder / "build", "--samples", "2")
    assert simulated["images_equal"] == simulated["images_checked"] == 2
    assert simulated["cycles"]["predicted"] == written["predicted_cycles"]


def test_a_core_and_a_flash(build, tmp_path):
    folder, generated = build
    core = found("core", folder / "net.s3net", "--bus", "wishbone", "--out", tmp_path / "core")
    assert (tmp_path / "core" / f"{core['module']}.v").exists()
    assert core["program_bytes"] == (tmp_path / "core" / "program.bin").stat().st_size
    (folder / "build" / "board").mkdir()
    (folder / "build" / "board" / "result.json").write_text('{"bitstream": "x.bin"}')
    (folder / "build" / "board" / "x.bin").write_bytes(bytes(10))
    flash = found("flash", folder / "build", "--dry-run")
    assert flash["board"] == generated["board"] and flash["parts"][0]["end"] == 10 and flash["commands"]


def test_a_training_and_its_export(tmp_path):
    trained = found("train", "mlp", "--method", "float", "--epochs", "1", "--out", tmp_path / "run")
    assert 0 < trained["accuracy"] <= 1 and trained["integer_accuracy"] is None
    config = tmp_path / "c.yaml"
    config.write_text("model: mlp\nsettings: {epochs: 1, distillation: 0.5}\n")
    arguments = ("train", "--config", config, "--teacher", tmp_path / "run", "--start", tmp_path / "run")
    shifted = found(*arguments, "--out", tmp_path / "s3")
    assert shifted["differing_logits"] == 0
    exported = found("export", tmp_path / "s3", "--out", tmp_path / "net.s3net", "--samples", "3")
    assert exported["images"] == 3 and (tmp_path / "net.s3net").exists()


def test_an_error_is_a_sentence_and_the_next_verb_speaks_again(tmp_path):
    failed = run("generate", tmp_path / "none.s3net", "--json", code=1)
    assert failed.stdout == "" and "none.s3net" in failed.stderr
    assert "iCEBreaker" in run("plan", "examples/digits-mlp.s3net").output

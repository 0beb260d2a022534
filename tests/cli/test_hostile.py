"""Names and files that once led to a traceback, a hang, or the wrong file taken for the right one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.console import print_error
from cli.main import app
from hw.devices import HX8K
from hw.graph import save
from hw.systolic import build as builds
from hw.systolic.build import BuildError, generate, open_build
from s3train.reference import load_reference
from s3train.runs import RunError, open_run, read_config
from sim.check import check_build
from tests.strategies import random_images, random_network

runner = CliRunner()
NETWORK = random_network(58)


def run(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def built(tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "emit_verilog", lambda config, header: "// an engine\n")
    generate(NETWORK, "hx8k_evn", HX8K, tmp_path / "build")
    return tmp_path / "build"


def test_brackets_and_colons_in_names_are_printed_as_they_are(tmp_path):
    file = tmp_path / "[/red] :smile:.s3net"
    save(replace(NETWORK, name="[/bold] :heart:"), file)
    result = run("check", file, "--board", "hx8k_evn")
    assert result.exit_code == 0, result.exception
    assert "[/bold] :heart:" in " ".join(result.output.split())
    file.write_bytes(b"")
    result = run("check", file)
    assert result.exit_code == 1 and "[/red] :smile:.s3net: too short" in " ".join(result.stderr.split())


def test_an_error_is_one_line(capsys):
    print_error("first\nsecond\x1b[2J")
    assert capsys.readouterr().err == "error: first second\\x1b[2J\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["config"].update(rows=8.0), "rows must be of type int, got 8.0"),
        (lambda d: d["config"].update(argmax=1), "argmax must be of type bool, got 1"),
        (lambda d: d["config"].update(columns_per_requantizer=0), "columns_per_requantizer must be a power of two"),
        (lambda d: d.update(board=["icebreaker"]), "field board is not a name"),
        (lambda d: d.update(format={}), "build format {}, this program reads 1"),
        (lambda d: d["network"].pop("sha256"), "build.json is damaged ('sha256')"),
        (lambda d: d.update(network=["name"]), "build.json is damaged"),
        (lambda d: d["network"].update(name=7), "field network.name is not a text"),
        (lambda d: d.pop("tools"), "build.json is damaged ('tools')"),
    ],
)
def test_a_changed_build_is_refused(built, change, words):
    description = json.loads((built / "build.json").read_text())
    change(description)
    (built / "build.json").write_text(json.dumps(description))
    with pytest.raises(BuildError) as error:
        open_build(built)
    assert words in str(error.value) and str(built) in str(error.value)


def test_results_of_another_engine_or_network_do_not_stay(built):
    def results():
        return sorted(str(f.relative_to(built)) for f in built.rglob("*") if f.is_file() and f.read_bytes() == b"{}")

    names = ["board/engine.bit", "board/result.json", "report.html", "simulation.json", "verification.json"]
    (built / "board").mkdir()
    for name in names:
        (built / name).write_bytes(b"{}")
    generate(NETWORK, "hx8k_evn", HX8K, built)
    assert results() == names
    generate(random_network(59), "hx8k_evn", HX8K, built)
    assert results() == []
    (built / "simulation.json").write_bytes(b"{}")
    (built / "engine.v").write_text("// another engine\n")
    generate(random_network(59), "hx8k_evn", HX8K, built)
    assert results() == []


def test_a_folder_that_was_no_build_keeps_its_files(built, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("mine")
    generate(NETWORK, "hx8k_evn", HX8K, tmp_path / "mine")
    assert (tmp_path / "mine" / "report.html").read_text() == "mine"


def test_a_file_is_no_place_for_a_build(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BuildError, match="file: is a file, a build is a folder"):
        generate(NETWORK, "hx8k_evn", HX8K, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("content", [b"\xff", b"{"])
def test_a_damaged_record_of_a_training_is_named(tmp_path, content):
    save(NETWORK, tmp_path / "mine.s3net")
    (tmp_path / "mine.training.json").write_bytes(content)
    result = run("generate", tmp_path / "mine.s3net", "--board", "hx8k_evn", "--out", tmp_path / "build")
    assert result.exit_code == 1 and "mine.training.json: damaged" in " ".join(result.stderr.split())
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"[]", b"{", b"9" * 5000])
def test_a_build_that_is_not_json_is_refused_with_its_name(built, content):
    (built / "build.json").write_bytes(content)
    with pytest.raises(BuildError, match=r"build.json is (damaged|not text)|build.json or engine.v is not text"):
        open_build(built)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x80\x04\x95.", b"\x93NUMPY\1\0"])
def test_a_damaged_reference_is_refused(built, content):
    (built / "reference.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"reference.npz: damaged \("):
        load_reference(built / "reference.npz")
    result = run("simulate", built)
    assert result.exit_code == 1 and "reference.npz: damaged" in " ".join(result.stderr.split())


def test_a_reference_of_objects_is_not_unpickled(built):
    np.savez(built / "reference.npz", images=np.array([print], object), labels=np.zeros(1))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_reference(built / "reference.npz")


@pytest.mark.parametrize(
    "change", [{"images": np.uint8(1)}, {"images": np.zeros((0, 1, 1, 1), np.uint8)}, {"stored.logits": np.float32(1)}]
)
def test_a_reference_of_other_arrays_is_refused(built, change):
    arrays = {
        "images": random_images(NETWORK, 0, 2),
        "labels": np.zeros(2, np.int64),
        "stored.logits": np.zeros((2, 1), int),
    }
    np.savez(built / "reference.npz", **{**arrays, **change})
    with pytest.raises(ValueError, match=r"reference.npz: damaged \((images are|logits is)"):
        load_reference(built / "reference.npz")


def test_the_reference_of_another_network_is_refused_and_not_left(built, tmp_path):
    images = random_images(NETWORK, 0, 2)
    with pytest.raises(ValueError, match=r"reference.npz is of another network"):
        check_build(open_build(built), images, tmp_path / "cache", torch_reference={"logits": np.zeros((2, 1))})
    shapes = {name: values[:, :0] for name, values in NETWORK.run(images).items() if name != NETWORK.input}
    with pytest.raises(ValueError, match=r"reference.npz is of another network"):
        check_build(open_build(built), images, tmp_path / "cache", torch_reference=shapes)
    (built / "reference.npz").write_bytes(b"of the network before")
    generate(NETWORK, "hx8k_evn", HX8K, built)
    assert not (built / "reference.npz").exists()
    generate(NETWORK, "hx8k_evn", HX8K, built, reference=b"its own")
    assert (built / "reference.npz").read_bytes() == b"its own"


def test_a_run_with_fields_of_another_type_or_a_damaged_result_is_refused(tmp_path):
    folder = tmp_path / "run"
    assert run("train", "mlp", "--method", "float", "--epochs", "1", "--out", folder).exit_code == 0
    config = read_config(folder)
    fields = json.loads((folder / "config.json").read_text())
    for name, value in (("activation_bits", [8]), ("first_last", 1), ("seed", True), ("model", None)):
        (folder / "config.json").write_text(json.dumps({**fields, name: value}))
        with pytest.raises(RunError, match=rf"config.json is damaged \(field {name} is"):
            read_config(folder)
    (folder / "config.json").write_text(json.dumps(fields))
    result = json.loads((folder / "result.json").read_text())
    for content in ([], {**result, "integer_accuracy": []}, {**result, "accuracy": None}, {**result, "x": 1}):
        (folder / "result.json").write_text(json.dumps(content))
        with pytest.raises(RunError, match=r"result.json is damaged"):
            open_run(folder, config)

"""A disk that takes no more bytes, by the kernel's own limit on the size of files: one sentence, and no half file."""

import resource
import shutil
import subprocess

import pytest

from hw.graph import save
from s3train.interrupt import finished_steps
from tests.hostile.kill import command, environment, finish
from tests.strategies import random_network

NETWORK = random_network(58)


def limited(line, folder, size):
    """Run a command none of whose files may be larger than ``size`` bytes."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        command(line), cwd=folder, env=environment(), preexec_fn=limit, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip


def refused(done, *words):
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert "File too large" in lines[0], done.stderr
    for word in words:
        assert word in lines[0], done.stderr


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_generate_leaves_no_build_and_says_which_file(tmp_path):
    save(NETWORK, tmp_path / "net.s3net")
    first = ["generate", "net.s3net", "--board", "hx8k_evn", "--out", "first"]
    refused(limited(first, tmp_path, 20_000), "Yosys, which writes the Verilog, failed")
    assert not (tmp_path / "first").exists()
    finish(first, tmp_path)
    line = ["generate", "net.s3net", "--engine", "first", "--out", "out"]
    for size, name in ((0, "network.s3net"), (20_000, "engine.v")):
        refused(limited(line, tmp_path, size), f"out/{name}")
        assert not {"out/build.json", f"out/{name}"} & set(files(tmp_path))
        assert not list((tmp_path / "out").glob(".*"))
    finish(line, tmp_path)


def test_train_and_export_keep_what_was_there(tmp_path):
    line = ["train", "mlp", "--epochs", "2", "--out", "run"]
    done = limited(line, tmp_path, 3000)
    refused(done, "run/last.ckpt")
    assert not (tmp_path / "run" / "last.ckpt").exists()
    finish(line, tmp_path)
    finished_steps(tmp_path / "run" / "last.ckpt")
    export = ["export", "run", "--out", "net.s3net", "--samples", "5"]
    finish(export, tmp_path)
    before = (tmp_path / "net.s3net").read_bytes()
    refused(limited(export, tmp_path, 1000), "net.s3net")
    assert (tmp_path / "net.s3net").read_bytes() == before
    # The reference is gone with the first step: at no time it lies beside a network that it is not of.
    assert not (tmp_path / "net.reference.npz").exists()


@pytest.mark.full
def test_simulate_and_synth_leave_nothing_in_the_cache(tmp_path):
    save(NETWORK, tmp_path / "net.s3net")
    finish(["generate", "net.s3net", "--board", "hx8k_evn", "--out", "out"], tmp_path)
    for line in (["simulate", "out"], ["synth", "out", "--seeds", "1"]):
        done = limited(line, tmp_path, 50_000)
        lines = done.stderr.strip().splitlines()
        assert done.returncode == 1 and len(lines) == 1 and lines[0].startswith("error: "), done.stderr
        cache = tmp_path / "build" / ".cache"
        assert not [path for path in cache.iterdir() if path.is_dir()]
        shutil.rmtree(cache)

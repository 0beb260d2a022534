"""Sudden death in small numbers; ``bench.verification.kills`` kills a hundred times."""

import json
import random
import subprocess

import pytest

from hw.graph import save
from tests.hostile.kill import SCENARIOS, Killer, KillError, command, environment, finish
from tests.strategies import random_network


def test_a_training_that_is_killed_twice_ends_with_the_same_bits(tmp_path):
    killer = Killer(SCENARIOS["train"], tmp_path)
    killer.strike(random.Random(1), 2)
    # The comparison compares: another network's weights are not taken for these.
    killer.wanted["run/model.safetensors"] = b""
    with pytest.raises(KillError, match=r"model.safetensors differs"):
        killer._compare(killer.sound, killer.files)


@pytest.mark.parametrize(("verb", "times"), [("generate", 3)])
def test_a_killed_command_leaves_nothing_half_and_runs_again(tmp_path, verb, times):
    killer = Killer(SCENARIOS[verb], tmp_path, network_seed=58)
    assert "out/build.json" in killer.files
    killer.strike(random.Random(2), times)


@pytest.mark.full
@pytest.mark.parametrize("verb", ["export", "simulate", "synth"])
def test_killed_commands_that_take_long_run_again(tmp_path, verb):
    Killer(SCENARIOS[verb], tmp_path, network_seed=None if verb == "export" else 58).strike(random.Random(3), 2)


def both(line, folder):
    """Run a command twice at the same time."""
    options = {"cwd": folder, "env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    pair = [subprocess.Popen(command(line), **options) for _ in range(2)]
    for process in pair:
        output, errors = process.communicate(timeout=900)
        assert process.returncode == 0, output + errors


def test_two_simulations_share_a_cache_at_once(tmp_path):
    save(random_network(58), tmp_path / "net.s3net")
    finish(["generate", "net.s3net", "--board", "hx8k_evn", "--out", "out"], tmp_path)
    both(["simulate", "out", "--samples", "3"], tmp_path)
    found = json.loads((tmp_path / "out" / "simulation.json").read_text())
    assert (found["images_equal"], found["images_checked"]) == (3, 3)
    cache = sorted(path.name for path in (tmp_path / "build" / ".cache").iterdir())
    assert [name.split("-")[0] for name in cache] == ["simulated", "simulation"], cache


@pytest.mark.full
def test_two_syntheses_share_a_cache_at_once(tmp_path):
    save(random_network(58), tmp_path / "net.s3net")
    finish(["generate", "net.s3net", "--board", "hx8k_evn", "--out", "out"], tmp_path)
    both(["synth", "out", "--seeds", "1"], tmp_path)
    assert (tmp_path / "out" / "board" / "hx8k_evn.bin").stat().st_size > 100_000
    # A round of the choice of the clock each, all of them whole, and none built twice under another name.
    rounds = list((tmp_path / "build" / ".cache").iterdir())
    assert all(entry.name.startswith("hx8k_evn-") and (entry / "result.json").exists() for entry in rounds), rounds
    designs = [(entry / "top.il").read_bytes() for entry in rounds]
    assert len(set(designs)) == len(designs) >= 1

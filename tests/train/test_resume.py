"""An interrupted training goes on bit for bit; two processes train one network."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from s3train.curves import log_of, read_epochs
from s3train.data import load_digits
from s3train.data.batches import Batches
from s3train.lightning_module import TrainingModule
from s3train.recipe import choose_recipe
from s3train.runs import RunError
from s3train.train import train

ROOT = Path(__file__).parents[2]


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("from_twin", [False, True])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, monkeypatch, from_twin):
    before = signal.getsignal(signal.SIGINT)
    options = {"data_folder": tmp_path, "epochs": 3, "progress": False}
    if from_twin:
        twin = tmp_path / "twin"
        train("small_resnet", "digits", out=twin, method="float", **options)
        recipe = choose_recipe("digits", from_twin=True, tied=True, distillation=0.5, features=1.0)
        options |= {"start": twin, "teacher": twin, "recipe": recipe}
    whole = train("small_resnet", "digits", out=tmp_path / "whole", **options)
    # In the middle of an epoch, at the last step of one, in the frozen last steps, and at the very last one.
    stops = [30, 43, 63, 65]
    step = TrainingModule.training_step
    steps: list[list[float]] = [[]]

    def interrupting(self, batch, index):
        steps[-1].append(time.monotonic())
        if stops and self.global_step == stops[0]:
            stops.pop(0)
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", interrupting)
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            train("small_resnet", "digits", out=tmp_path / "parts", **options)
        steps.append([])
        assert (tmp_path / "parts" / "last.ckpt").exists()
    parts = train("small_resnet", "digits", out=tmp_path / "parts", **options)
    assert not stops
    assert parts.accuracy == whole.accuracy
    assert parts.seconds > sum(sitting[-1] - sitting[0] for sitting in steps if sitting)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert signal.getsignal(signal.SIGINT) is before
    curves, wanted = (read_epochs(log_of(tmp_path / name)) for name in ("parts", "whole"))
    assert curves == wanted and [row["epoch"] for row in curves] == [0, 1, 2]


def test_two_trainings_in_one_folder(tmp_path):
    out = tmp_path / "run"
    options = {"out": out, "data_folder": tmp_path, "epochs": 1, "progress": False}
    hold = "import sys\nfrom pathlib import Path\nfrom s3train.runs import locked\n"
    hold += "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", hold, str(out)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="run: another training is under way in this folder"):
            train("mlp", "digits", **options)
        assert [file.name for file in out.iterdir()] == ["lock"]
        other.kill()
    # A killed training keeps nobody out.
    assert train("mlp", "digits", **options).accuracy > 0.5


def test_a_checkpoint_of_another_network_or_a_damaged_one_is_refused(tmp_path):
    options = {"data_folder": tmp_path, "epochs": 2, "progress": False}
    train("mlp", "digits", out=tmp_path / "a", **options)
    train("mlp", "digits", out=tmp_path / "b", bits=2, **options)
    (tmp_path / "a" / "result.json").unlink()
    (tmp_path / "b" / "last.ckpt").rename(tmp_path / "a" / "last.ckpt")
    with pytest.raises(ValueError, match=r"last.ckpt: a checkpoint of another network"):
        train("mlp", "digits", out=tmp_path / "a", **options)
    whole = torch.load(tmp_path / "a" / "last.ckpt", weights_only=True)
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", "loops", "epoch", "global_step", ""):
        torch.save({key: value for key, value in whole.items() if key != part}, tmp_path / "a" / "last.ckpt")
        if not part:
            (tmp_path / "a" / "last.ckpt").write_bytes(b"PK")
        with pytest.raises(ValueError, match=r"last.ckpt: damaged or not a checkpoint; delete it to start again"):
            train("mlp", "digits", out=tmp_path / "a", **options)


def test_the_shares_of_two_processes_are_the_batch_of_one():
    data = load_digits()
    whole, labels = Batches(data, 64, seed=5)[2, 7]
    halves = [Batches(data, 64, seed=5, rank=rank, world=2)[2, 7] for rank in range(2)]
    assert torch.equal(torch.cat([images for images, _ in halves]), whole)
    assert torch.equal(torch.cat([found for _, found in halves]), labels)
    assert not torch.equal(Batches(data, 64, seed=5)[2, 8][0], whole)
    with pytest.raises(ValueError, match="cannot be shared evenly by 3"):
        Batches(data, 64, world=3)


# After the last of 11 epochs there is no validation, before which torch makes the buffers equal.
@pytest.mark.parametrize(("model", "epochs"), [("mlp", 11), ("small_resnet", 2)])
def test_two_processes_train_one_network(tmp_path, model, epochs):
    script = tmp_path / "run.py"
    script.write_text(
        "import os, sys\nfrom pathlib import Path\nfrom s3train.train import train\n"
        "import s3train.train as training\n"
        "import torch\n"
        "out, rank, whole = sys.argv[1], os.environ['RANK'], training.integer_evaluation\n"
        "def kept(network, images):\n"
        "    torch.save(network.state_dict(), f'{out}{rank}.pt')\n"
        "    return whole(network, images)\n"
        "training.integer_evaluation = kept\n"
        "r = train(sys.argv[2], 'digits', out=Path(out), data_folder=Path('data'), epochs=int(sys.argv[3]),\n"
        "          progress=False)\n"
        # Not printed: what two processes print at once can be mixed up.
        "Path(out + rank).write_text(f'{r.accuracy} {r.integer_accuracy} {r.differing_logits}')\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(script), str(tmp_path / "run"), model, str(epochs)],
        env=environment, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    results = [(tmp_path / f"run{rank}").read_text() for rank in range(2)]
    assert results[0] == results[1]
    accuracy, integer, differing = map(float, results[0].split())
    assert accuracy == integer > 0.5 and differing == 0
    one, other = (torch.load(tmp_path / f"run{rank}.pt", weights_only=True) for rank in range(2))
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_twin_that_two_processes_train_is_there_for_both(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import os, sys, time\nimport s3train.train\nfrom cli.main import app\n"
        "keep, rank = s3train.train.keep_network, os.environ['RANK']\n"
        # The first process is slow to write what the other one waits for.
        "s3train.train.keep_network = lambda *given: (time.sleep(4), keep(*given))\n"
        "sys.stdout = open(f'said{rank}', 'w')\n"
        "app()\n"
    )
    (tmp_path / "c.yaml").write_text("model: mlp\nsettings: {epochs: 1, from_twin: true, distillation: 0.5}\n")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    arguments = ["train", "--config", "c.yaml", "--out", "run", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "said0").read_text())["differing_logits"] == 0
    assert (tmp_path / "said1").read_text() == ""
    assert (tmp_path / "mlp-digits-float-a32-e1-s0" / "result.json").exists()

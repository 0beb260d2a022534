"""A trained network that has no integer form, or another one, is kept and said."""

import json

import pytest

from s3train.evaluation import accuracy
from s3train.layers import ShiftBlock, ShiftLogits
from s3train.layers.shift_block import UnsupportedModelError
from s3train.runs import RunError, export_run, load_run, read_result
from s3train.train import train


def test_a_network_beyond_the_hardware_is_kept_and_the_layer_named(tmp_path, monkeypatch):
    def beyond(self, name):
        raise UnsupportedModelError(f"layer {name!r}: K reaches 17, supported is up to 15; train longer")

    monkeypatch.setattr(ShiftBlock, "integer", beyond)
    options = {"out": tmp_path / "run", "data_folder": tmp_path, "epochs": 1, "progress": False}
    said = rf"^{tmp_path}/run: no integer network, layer '.+': \w reaches \d+, supported is up to .*; the trained "
    for _ in range(2):
        with pytest.raises(RunError, match=said + r"network is kept in .*/run/model.safetensors, its accuracy is \d"):
            train("small_resnet", "digits", **options)
    kept = json.loads((tmp_path / "run" / "result.json").read_text())
    assert kept["integer_accuracy"] is None and kept["differing_logits"] is None
    assert "reaches" in kept["integer_refusal"]
    model, _, images = load_run(tmp_path / "run", tmp_path)
    assert accuracy(model, images) == kept["accuracy"]
    with pytest.raises(ValueError, match="reaches"):
        export_run(tmp_path / "run", tmp_path)


def test_logits_that_differ_are_an_error_and_the_network_is_kept(tmp_path, monkeypatch):
    whole = ShiftLogits.forward
    monkeypatch.setattr(
        ShiftLogits, "forward", lambda self, x: whole(self, x) if self.training else whole(self, x) + 1.0
    )
    options = {"out": tmp_path / "run", "data_folder": tmp_path, "epochs": 1, "progress": False}
    for _ in range(2):
        with pytest.raises(RunError, match=r"/run: 3590 logits of the test images differ between .* network is kept"):
            train("mlp", "digits", **options)
    assert read_result(tmp_path / "run").differing_logits == 3590
    load_run(tmp_path / "run", tmp_path)


def test_the_network_is_written_before_it_is_evaluated(tmp_path, monkeypatch):
    def failing(*args):
        raise MemoryError

    monkeypatch.setattr("s3train.train.integer_evaluation", failing)
    with pytest.raises(MemoryError):
        train("mlp", "digits", out=tmp_path / "run", data_folder=tmp_path, epochs=1, progress=False)
    load_run(tmp_path / "run", tmp_path)
    assert not (tmp_path / "run" / "result.json").exists()

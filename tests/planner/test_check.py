"""A check never says yes to what fails later, nor no to what builds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import shiftforge
from bitstreams.boards import BOARDS, board_by_name
from hw.graph import Convolution, load
from hw.systolic.build import generate
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.search import choose_config
from planner import Answer, check_network
from s3train import TensorFormat, convert, export
from s3train.formats import UnsupportedModelError
from s3train.layers import Polyphase
from s3train.models import build_model
from tests.foreign_models import FOREIGN
from tests.strategies import random_network


def builds(network, board, folder):
    """Return why generating fails, or None."""
    try:
        generate(network, board, BOARDS[board].device, folder)
    except CompileError as error:
        return str(error)
    return None


def compiles(network, board):
    """Return why generating fails, without writing Verilog, which nothing is refused by; or None."""
    try:
        compile_network(network, choose_config([network], BOARDS[board].device))
    except CompileError as error:
        return str(error)
    return None


@pytest.mark.parametrize("board", ["icebreaker", "hx8k_evn", "ulx3s_85f"])
def test_random_networks_are_judged_as_generate_judges_them(board, tmp_path):
    answers = set()
    large = load("examples/resnet8.s3net")
    for seed, network in enumerate([*(random_network(seed) for seed in range(30)), large]):
        verdict = check_network(network, board_by_name(board))
        why = builds(network, board, tmp_path / "build") if seed % 10 == 0 else compiles(network, board)
        assert (why is None) == (verdict.engine is not None), (seed, why, str(verdict))
        said = [*verdict.problems, *(layer.reason for layer in verdict.layers if layer.reason)]
        assert why is None or (verdict.answer is Answer.NO and said), seed
        answers.add(verdict.answer)
    # There is an engine for every small network on every board; ResNet-8's maps are too large for the block RAM of one.
    assert answers == ({Answer.YES, Answer.NO} if board == "hx8k_evn" else {Answer.YES})


def test_every_number_of_a_yes_is_that_of_the_build(tmp_path):
    for name, board in (("digits", "icebreaker"), ("digits-mlp", "hx8k_evn"), ("resnet8", "ulx3s_85f")):
        network = load(f"examples/{name}.s3net")
        verdict = check_network(network, board_by_name(board))
        build = generate(network, board, BOARDS[board].device, tmp_path / name)
        engine = verdict.engine
        assert engine.cycles == build.compiled.predicted_cycles and engine.busy == build.compiled.busy
        assert (engine.rows, engine.cols) == (build.compiled.config.rows, build.compiled.config.cols)
        assert engine.memory_words == build.compiled.memory_words
        assert sum(layer.clocks for layer in verdict.layers) == engine.cycles
        assert verdict.to_json()["layers"][0]["layer"] == network.nodes[0].name


def test_all_layers_that_are_refused_are_named_and_no_others():
    network = load("examples/digits.s3net")
    nodes = [
        replace(node, rescale=replace(node.rescale, k=np.arange(len(node.weight)) % 2))
        if isinstance(node, Convolution) and node.residual is not None
        else node
        for node in network.nodes
    ]
    verdict = check_network(replace(network, nodes=tuple(nodes)), board_by_name("ulx3s_85f"))
    refused = {layer.layer: layer for layer in verdict.layers if layer.reason}
    assert refused.keys() == {"block1_conv2_block", "block2_conv2_block"}
    assert {layer.reason for layer in refused.values()} == {
        "it: channels scale the residual differently (K - S is not constant)"
    }
    same_scale = "train it with one scale for both operands of the addition"
    assert {layer.instead for layer in refused.values()} == {same_scale}
    assert verdict.answer is Answer.NO and not verdict.problems
    assert "2 layers of 8 refused" in str(verdict)


def test_a_device_that_is_a_little_too_small_is_said_to_be_close(monkeypatch):
    board = board_by_name("icebreaker")
    network = load("examples/digits.s3net")
    luts = check_network(network, board).engine.luts
    # On less than the small engine takes there is another one, with half the cells, until that is too large as well.
    for share, answer in ((1.3, Answer.YES), (1.0, Answer.CLOSE), (0.8, Answer.YES), (0.5, Answer.NO)):
        device = replace(board.device, luts=round(luts * share))
        assert check_network(network, replace(board, device=device)).answer is answer
    assert [a.exit_code for a in Answer] == [0, 3, 1]


class Net(nn.Module):
    """A small network with something between its layers, and behind them."""

    def __init__(self, between=lambda x: x, *, conv=None, behind=lambda x: x, fc=None, pool=None):
        super().__init__()
        self.conv, self.bn = conv or nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.pool = pool or nn.AdaptiveAvgPool2d(1)
        self.fc = fc or nn.Linear(8, 10)
        self.between, self.behind = between, behind

    def forward(self, x):
        x = self.between(torch.relu(self.bn(self.conv(x))))
        x = self.pool(torch.relu(self.bn2(self.conv2(x))))
        return self.behind(self.fc(x.flatten(1)))


class Twice(Net):
    """A network with a layer that is used twice, with two batch norms."""

    def __init__(self):
        super().__init__()
        self.bn3 = nn.BatchNorm2d(8)

    def forward(self, x):
        x = torch.relu(self.bn2(self.conv2(torch.relu(self.bn(self.conv(x))))))
        return self.fc(self.pool(torch.relu(self.bn3(self.conv2(x)))).flatten(1))


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.factor


def branch(x):
    return (x.sum() > 0 and x) or -x


BAD = {
    # What is wrong: the model, the row that says so, words of the advice or reason.
    "gelu": (Net(functional.gelu), "gelu", "use ReLU"),
    "silu module": (Net(nn.SiLU()), "between", "use ReLU"),
    "relu6": (Net(nn.ReLU6()), "between", "use ReLU"),
    "sigmoid": (Net(torch.sigmoid), "sigmoid", "use ReLU"),
    "layer norm": (Net(nn.LayerNorm(8)), "between", "use BatchNorm"),
    "group norm": (Net(nn.GroupNorm(2, 8)), "between", "use BatchNorm"),
    "dilation": (Net(conv=nn.Conv2d(3, 8, 3, dilation=2)), "conv", "use dilation 1"),
    "reflection": (Net(conv=nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")), "conv", "pad with zeros"),
    "same": (Net(conv=nn.Conv2d(3, 8, 3, padding="same")), "conv", "as a number"),
    "transposed": (Net(nn.ConvTranspose2d(8, 8, 2)), "between", "no upsampling"),
    "upsampled": (Net(nn.Upsample(scale_factor=2)), "between", "no upsampling"),
    "scaled": (Net(Scale()), "mul", "cannot be multiplied"),
    "squeeze and excite": (Net(lambda x: x * x.mean((2, 3), keepdim=True)), "mul", "shift-and-balance"),
    "subtracted": (Net(lambda x: x - functional.max_pool2d(x, 3, 1, 1)), "sub", "add instead"),
    "constant": (Net(lambda x: x + 1), "add", "constant"),
    "transpose": (Net(lambda x: x.transpose(2, 3)), "transpose", "maps keep their form"),
    "softmax": (Net(behind=lambda x: x.softmax(1)), "softmax", "leave it out"),
    "log softmax": (Net(behind=nn.LogSoftmax(1)), "behind", "leave it out"),
    "pool": (Net(pool=nn.AvgPool2d(2, 1), fc=nn.Linear(8 * 49, 10)), "pool", "as large as its stride"),
    "adaptive": (Net(pool=nn.AdaptiveAvgPool2d(2), fc=nn.Linear(32, 10)), "pool", "AdaptiveAvgPool2d(1)"),
    "cut off": (Net(pool=nn.MaxPool2d(3, ceil_mode=True), fc=nn.Linear(72, 10)), "pool", "ceil_mode out"),
    "adaptive max": (Net(pool=nn.AdaptiveMaxPool2d(1)), "pool", "use MaxPool2d"),
    "no norm": (Net(nn.Conv2d(8, 8, 1)), "between", "add_norms"),
    "lone norm": (Net(nn.BatchNorm2d(8)), "between", "order it as"),
    "lstm": (Net(pool=nn.Sequential(nn.Flatten(2), nn.LSTM(64, 4)), fc=nn.Linear(1, 1)), None, ""),
    "branch": (Net(branch), None, "cannot be traced"),
    "wrong size": (Net(fc=nn.Linear(9, 10)), None, "does not run on an input of shape"),
    "no classifier": (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()), None, "end with a Linear"),
    "matmul": (Net(lambda x: x @ x), "matmul", "use convolutions"),
    "zeros before sampling": (Net(Polyphase()), "conv", "wrap around"),
    "a layer twice": (Twice(), "conv2", "is used twice"),
    "axis": (Net(lambda x: torch.cat((x, x), 2)), "cat", "dim=1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_is_refused_with_advice_and_by_the_conversion_too(name):
    model, where, words = BAD[name]
    images = torch.rand(4, 3, 8, 8)
    verdict = shiftforge.check(model, images, board="ulx3s_85f")
    assert verdict.answer is Answer.NO and verdict.engine is None
    refused = [layer for layer in verdict.layers if layer.reason]
    assert [layer.layer for layer in refused] == ([where] if where else []), str(verdict)
    said = " ".join([*verdict.problems, *(f"{layer.reason} {layer.instead}" for layer in refused)])
    assert words in said and (where or verdict.problems), said
    with pytest.raises((UnsupportedModelError, RuntimeError)):
        network = convert(model, image=TensorFormat(8, 0, 8))
        network.train()(images)


def test_two_faults_are_both_named_and_what_follows_is_not():
    model = Net(functional.gelu, conv=nn.Conv2d(3, 8, 3, dilation=2), behind=lambda x: x.softmax(1))
    verdict = shiftforge.check(model, torch.rand(2, 3, 8, 8))
    assert [layer.layer for layer in verdict.layers if layer.reason] == ["conv", "gelu", "softmax"]
    assert {layer.note for layer in verdict.layers} >= {"behind conv"} and not verdict.problems
    assert "3 layers of" in str(verdict)


GOOD = {name: (make, shape, options) for name, (make, shape, options) in FOREIGN.items()} | {
    name: (lambda name=name: build_model(name, (3, 32, 32), 10), (3, 32, 32), {})
    for name in ("resnet8", "lenet5", "dscnn", "mlp", "addressnet", "resnet8_aps", "resnet8_sb", "invariant_addressnet")
}


@pytest.mark.parametrize("name", GOOD)
def test_a_model_that_is_taken_converts_and_compiles(name):
    make, shape, options = GOOD[name]
    torch.manual_seed(0)
    model = make()
    images = torch.rand(4, *shape) - 0.5
    verdict = shiftforge.check(model, images, board="ulx3s_85f", **options)
    assert verdict.answer is Answer.YES, str(verdict)
    layers = [layer for layer in verdict.layers if layer.clocks]
    assert len({layer.layer for layer in layers}) == len(layers)
    assert sum(layer.clocks for layer in layers) == verdict.engine.cycles
    weighted = [n for n, m in model.named_modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
    assert {layer.layer for layer in layers} >= set(weighted)
    network = convert(model, image=TensorFormat(8, 128, 7), **options)
    network.train()(images)
    assert compiles(export(network, TensorFormat(8, 128, 7), shape), "ulx3s_85f") is None


def test_a_check_leaves_the_model_as_it_was():
    model = Net().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    shiftforge.check(model, torch.rand(1, 3, 8, 8), board="ulx3s_85f")
    assert not model.training and all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="board 'de10' is unknown"):
        shiftforge.check(Net(), torch.rand(1, 3, 8, 8), board="de10")
    with pytest.raises(ValueError, match="is checked with a batch of images"):
        shiftforge.check(Net())
    with pytest.raises(ValueError, match="example_input has 2 dimensions"):
        shiftforge.check(Net(), torch.rand(3, 8))


def test_the_range_of_the_images_becomes_their_format():
    from planner.model_check import image_format

    assert image_format(torch.tensor([0.0, 1.0])) == TensorFormat(8, 0, 7)
    assert image_format(torch.tensor([-1.0, 0.9])) == TensorFormat(8, 128, 6)
    assert image_format(torch.tensor([0, 255], dtype=torch.uint8)) == TensorFormat(8, 0, 0)
    assert image_format(torch.zeros(3)) == TensorFormat(8, 0, 0)


def test_a_network_is_checked_by_the_same_name():
    verdict = shiftforge.check(load("examples/digits.s3net"), board="ulx3s_85f")
    assert verdict.answer is Answer.YES and np.isclose(verdict.engine.images_per_s, 120e6 / verdict.engine.cycles)

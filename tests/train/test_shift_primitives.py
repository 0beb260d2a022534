"""AddressNet's primitives in torch, converted, exported, and in the integer reference."""

import numpy as np
import pytest
import torch
from torch import nn

from hw.devices import ECP5_85, UP5K
from hw.graph import AddressShift as AddressShiftNode
from hw.graph import ChannelShift as ChannelShiftNode
from hw.systolic.compiler import CompileError, compile_network
from hw.systolic.search import choose_config
from hw.systolic.shape import base_config, fit_memory, fit_widths
from s3train import TensorFormat
from s3train.layers import AddressShift, ChannelShift, ShortcutShift
from s3train.layers.shift_primitives import EIGHT_DIRECTIONS
from s3train.models import build_model, count
from s3train.models.addressnet import AddressNet, directions
from tests.train.test_export import check, trained

FORMAT = TensorFormat(8, 0, 8)
SIGNED = TensorFormat(8, 128, 7)


def test_a_channel_shift_by_hand():
    x = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert ChannelShift(2)(x).flatten().tolist() == [2, 3, 4, 5, 0, 1]
    assert torch.equal(ChannelShift(0)(x), x)


def test_an_address_shift_by_hand():
    x = torch.arange(1.0, 19.0).reshape(1, 2, 3, 3)
    y = AddressShift(((0, 1), (-1, 0)))(x)
    assert y[0, 0].tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    assert y[0, 1].tolist() == [[0, 0, 0], [10, 11, 12], [13, 14, 15]]
    assert AddressShift(((0, 1), (-1, 0))).move(x, 7)[0, 1, 0].tolist() == [7, 7, 7]


@pytest.mark.parametrize("outside", [0, 128])
def test_torch_and_the_integer_network_move_the_same(outside):
    from hw.graph import Tensor

    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 16, 5, 4)).astype(np.uint8)
    tensor = Tensor("x", 16, 5, 4, 8, outside, 0)
    for layer in (ChannelShift(5), AddressShift(), AddressShift(((7, 0), (-3, 2), (0, -7), (4, 4)))):
        node = layer.node("n", [tensor], "y")
        want = layer.move(torch.from_numpy(x).long(), outside).numpy()
        assert np.array_equal(node.run({"x": x}, {"x": tensor, "y": tensor}), want)


class Signed(nn.Module):
    """Shifts of a signed map, whose outside is not 0."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.move = nn.Sequential(ChannelShift(3), AddressShift(((1, -1), (0, 0), (-2, 1), (0, 3))))
        self.second = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.join = ShortcutShift()
        self.pool, self.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, x):
        return self.classifier(self.pool(self.second(self.move(self.first(x)))).flatten(1))


@pytest.mark.parametrize("image", [FORMAT, SIGNED], ids=["unsigned", "signed"])
@pytest.mark.parametrize("model", ["addressnet", "enhanced_addressnet", "signed"])
def test_networks_with_shifts_are_the_same_in_training_integers_and_numpy(model, image):
    shape = (1, 8, 8)
    torch.manual_seed(0)
    network = Signed() if model == "signed" else build_model(model, shape, 10)
    images = torch.randint(0, 256, (6, *shape))
    real = (images.float() - image.zero_point) * 2.0**-image.exponent
    check(trained(network, image, real), image, shape, images)


def test_an_addressnet_compiles_and_its_moves_take_no_pass():
    from s3train import convert, export

    network = export(convert(AddressNet((3, 32, 32), 10, width=16), image=SIGNED), SIGNED, (3, 32, 32))
    assert {AddressShiftNode} == {type(n) for n in network.nodes if "Shift" in type(n).__name__}
    for device in (UP5K, ECP5_85):
        compiled = compile_network(network, choose_config([network], device))
        rows, cols = compiled.config.rows, compiled.config.cols
        for layer in compiled.layers:
            if "gather" in layer.node or "new" in layer.node:
                source = network.node(layer.node)
                _, channels = source.weight.shape[:2]
                assert all(len(tile.passes) == -(-channels // rows) for tile in layer.tiles)
                assert len(layer.tiles) == -(-len(source.weight) // cols)


def test_blocks_take_turns_with_the_directions():
    assert directions(64, 0) == directions(128, 3) == EIGHT_DIRECTIONS
    assert directions(32, 0) + directions(32, 1) == EIGHT_DIRECTIONS and directions(32, 2) == directions(32, 0)
    assert directions(8, 3) == EIGHT_DIRECTIONS[3:4]


def test_the_enhanced_one_mixes_its_groups_by_a_channel_shift():
    from s3train import convert, export

    network = export(convert(build_model("enhanced_addressnet", (3, 32, 32), 10), image=SIGNED), SIGNED, (3, 32, 32))
    shifts = [node.shift for node in network.nodes if isinstance(node, ChannelShiftNode)]
    assert shifts == [16, 16, 32, 32, 64, 64]
    config = fit_memory([network], fit_widths([network], base_config([network], ECP5_85)), ECP5_85)
    assert compile_network(network, config).predicted_cycles > 0
    # It is the block RAMs that it is too large for.
    with pytest.raises(CompileError, match=r"need 220 block RAMs \(16384 memory words of 64 bits\), LFE5U-85F has 208"):
        choose_config([network], ECP5_85)


def test_parameters_and_multiplications_of_addressnet():
    # Stem 864; two blocks of 2 * 32 * 32 a stage, then twice and four times the channels; reductions; logits.
    parameters = 3 * 9 * 32 + 2 * 2 * (32**2 + 64**2 + 128**2) + 2 * (32**2 + 64**2) + 1280
    counted = count(build_model("addressnet", (3, 32, 32), 10), (3, 32, 32))
    norms = 2 * (32 + 2 * 2 * (32 + 64 + 128) + 2 * (32 + 64)) + 10
    assert counted.parameters == parameters + norms


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ChannelShift(-1), "a channel shift must be 0 or more, got -1"),
        (lambda: ChannelShift(4)(torch.zeros(1, 4, 2, 2)), "a channel shift of 4 needs more channels than the map's 4"),
        (lambda: AddressShift(()), "an address shift needs an offset"),
        (lambda: AddressShift(((0, 8),)), r"an address shift of \(0, 8\) pixels, supported are up to 7"),
        (lambda: AddressShift()(torch.zeros(1, 12, 2, 2)), "of 8 groups cannot move a map of 12 channels"),
        (lambda: build_model("addressnet", (3, 30, 32), 10), "sides are multiples of 4, got 30 x 32"),
    ],
)
def test_what_cannot_be_moved_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("circular", [False, True])
def test_an_address_shift_has_the_gradient_of_its_move_and_keeps_the_memory_format(circular):
    # The last one reaches beyond the map.
    shift = AddressShift(((-1, 0), (1, 1), (0, -2), (5, 3)), circular=circular)
    x = torch.rand(2, 8, 4, 3, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(shift, x)
    assert shift(x).is_contiguous(memory_format=torch.channels_last)

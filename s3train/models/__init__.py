"""Networks that suit a small chip, written in plain torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from s3train.models.addressnet import AddressNet
from s3train.models.attention_block import balanced_block, excited_block
from s3train.models.autoencoder import Autoencoder
from s3train.models.cifar_resnet import CifarResNet
from s3train.models.count import Count, count
from s3train.models.imagenet_resnet import ImageNetResNet
from s3train.models.invariant_addressnet import InvariantAddressNet
from s3train.models.lenet import LeNet5
from s3train.models.mlp import MLP
from s3train.models.polyphase_block import PolyphaseBlock
from s3train.models.separable import DSCNN, MobileNetV1
from s3train.models.small_resnet import ResidualBlock, SmallResNet

__all__ = ["CLASSIFIERS", "MODELS", "Count", "build_model", "count"]

MODELS: dict[str, Callable[[tuple[int, int, int], int], nn.Module]] = {
    "mlp": MLP,
    "small_resnet": SmallResNet,
    "resnet8": partial(CifarResNet, blocks=1),
    "resnet20": partial(CifarResNet, blocks=3),
    "resnet8_aps": partial(CifarResNet, block=PolyphaseBlock, padding_mode="circular"),
    "resnet8_strided": partial(
        CifarResNet, block=partial(ResidualBlock, padding_mode="circular"), padding_mode="circular"
    ),
    "resnet8_sb": partial(CifarResNet, block=balanced_block),
    "resnet8_se": partial(CifarResNet, block=excited_block),
    "resnet18": ImageNetResNet,
    "resnet50": partial(ImageNetResNet, blocks=(3, 4, 6, 3), bottleneck=True),
    "lenet5": LeNet5,
    "dscnn": DSCNN,
    "mobilenetv1_025": MobileNetV1,
    "autoencoder": Autoencoder,
    "addressnet": AddressNet,
    "addressnet_small": partial(AddressNet, width=24),
    "enhanced_addressnet": partial(AddressNet, width=64, groups=2),
    "invariant_addressnet": InvariantAddressNet,
}
"""Every model by its name: called with the shape of an image and the number of classes."""

CLASSIFIERS = tuple(name for name in MODELS if name != "autoencoder")
"""Those whose output is one logit a class."""


def build_model(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a float model by name for images of a shape; ``ValueError`` for an unknown name."""
    if name not in MODELS:
        raise ValueError(f"model {name!r} is unknown, supported are {', '.join(MODELS)}")
    return MODELS[name](shape, classes)

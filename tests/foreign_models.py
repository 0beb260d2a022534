"""Networks as other people write them: nothing of ours in them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Functional(nn.Module):
    """Residual additions, pools and views as functions and methods."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 2 * 2, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = torch.max_pool2d(x, 2)
        x = self.bn2(self.conv2(x)).add(x).relu_()
        x = functional.avg_pool2d(x, kernel_size=2, stride=2)
        x = functional.dropout(x, 0.1, training=self.training)
        return self.fc(x.view(x.size(0), -1))


class Block(nn.Module):
    """torchvision's BasicBlock: a shortcut that is a Sequential or nothing, and an addition in place."""

    def __init__(self, channels, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """torchvision's ResNet with the stem that is usual for small images."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity()
        self.layer1 = nn.Sequential(Block(8, 8))
        self.layer2 = nn.Sequential(Block(8, 16, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class ConvNormActivation(nn.Sequential):
    """A convolution, depthwise or not, its batch norm and ReLU."""

    def __init__(self, channels, out, kernel, stride=1, groups=1):
        super().__init__(
            nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )


class MobileNet(nn.Module):
    """Depthwise separable convolutions, a mean for a pool, dropout before the classifier."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            ConvNormActivation(3, 8, 3, 2),
            ConvNormActivation(8, 8, 3, groups=8),
            ConvNormActivation(8, 16, 1),
            ConvNormActivation(16, 16, 3, 2, groups=16),
            ConvNormActivation(16, 16, 1),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 10))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class ResNeXt(nn.Module):
    """A bottleneck whose middle convolution has groups, and a branch that is added before the ReLU."""

    def __init__(self):
        super().__init__()
        self.stem = ConvNormActivation(3, 16, 3)
        self.body = nn.Sequential(
            ConvNormActivation(16, 8, 1),
            ConvNormActivation(8, 8, 3, 2, groups=2),
            nn.Conv2d(8, 24, 1, bias=False),
            nn.BatchNorm2d(24),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(16, 24, 1, 2, bias=False), nn.BatchNorm2d(24))
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = self.stem(x)
        x = functional.relu(torch.add(self.shortcut(x), self.body(x)))
        return self.head(torch.mean(x, (2, 3)))


class Inception(nn.Module):
    """Branches of several kernels, joined by their channels."""

    def __init__(self):
        super().__init__()
        self.stem = ConvNormActivation(3, 8, 3)
        self.point, self.wide = ConvNormActivation(8, 16, 1), ConvNormActivation(8, 8, 5)
        self.pool = nn.MaxPool2d(2)
        self.last = ConvNormActivation(24, 8, 1)
        self.head = nn.Linear(8 * 16, 10)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([self.point(x), self.wide(x)], dim=1)
        return self.head(self.last(self.pool(x)).reshape(x.shape[0], -1))


def one_dimensional():
    """For a signal of three channels."""
    return nn.Sequential(
        nn.Conv1d(3, 8, 5, padding=2), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(8, 16, 3, stride=2, padding=1), nn.BatchNorm1d(16), nn.ReLU(), nn.AvgPool1d(2),
        nn.Conv1d(16, 16, 3), nn.BatchNorm1d(16), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


def vgg():
    """No batch norm anywhere, biases everywhere."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(8 * 16, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10),
    )  # fmt: skip


class Lenet(nn.Module):
    """PyTorch's first example: pools as functions, a view of a number of features."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 16, 2)
        self.fc1, self.fc2 = nn.Linear(16, 20), nn.Linear(20, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), (2, 2))
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(functional.relu(self.fc1(x.view(-1, 16))))


IMAGE = (3, 8, 8)
SIGNAL = (3, 64)
FOREIGN = {
    "functional": (Functional, IMAGE, {}),
    "resnet": (ResNet, IMAGE, {}),
    "mobilenet": (MobileNet, IMAGE, {}),
    "resnext": (ResNeXt, IMAGE, {}),
    "inception": (Inception, IMAGE, {}),
    "one-dimensional": (one_dimensional, SIGNAL, {}),
    "vgg": (vgg, IMAGE, {"add_norms": True}),
    "lenet": (Lenet, IMAGE, {"add_norms": True}),
}
"""What makes each network, the shape of its images, and options of ``convert``."""

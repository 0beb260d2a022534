"""Parameters and multiply-accumulates beside the published ones."""

import pytest

from s3train.models import MODELS, build_model, count

# Published: ResNet-18/50 (torchvision's model table), the rest from MLPerf Tiny's Keras models, of whose parameters
# the biases beside batch norm (no effect) and the statistics (not trained) are taken away here.
PUBLISHED = [
    # model, shape, classes, parameters as published, conv biases there, statistics there, our surplus, MACs
    ("resnet18", (3, 224, 224), 1000, 11_689_512, 0, 0, 0, 1_814_073_344),
    ("resnet50", (3, 224, 224), 1000, 25_557_032, 0, 0, 0, 4_089_184_256),
    ("resnet20", (3, 32, 32), 10, 272_474, 0, 0, 0, 40_813_184),
    # Our shortcuts have batch norm: 2 x (32 + 64).
    ("resnet8", (3, 32, 32), 10, 78_666, 336, 480, 192, 12_501_632),
    ("dscnn", (1, 49, 10), 12, 24_908, 576, 1152, 0, 2_656_768),
    ("mobilenetv1_025", (3, 96, 96), 2, 221_794, 2_736, 5_472, 0, 7_489_664),
    ("autoencoder", (640, 1, 1), 0, 269_992, 1_032, 2_064, 0, 264_192),
    # LeNet-5 of 61,706 parameters with biases; 226 of them are replaced by batch norm's 452.
    ("lenet5", (1, 28, 28), 10, 61_706, 226, 0, 452, 416_520),
]


@pytest.mark.parametrize(
    ("name", "shape", "classes", "published", "biases", "statistics", "surplus", "macs"), PUBLISHED
)
def test_the_counts_are_the_published_ones(name, shape, classes, published, biases, statistics, surplus, macs):
    found = count(build_model(name, shape, classes), shape)
    assert found.parameters == published - biases - statistics + surplus
    assert found.macs == macs


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="supported are mlp, "):
        build_model("vgg", (3, 32, 32), 10)
    assert "resnet8" in MODELS


def test_lenet_names_the_sizes_it_takes():
    with pytest.raises(ValueError, match="28x28 or 32x32"):
        build_model("lenet5", (1, 8, 8), 10)

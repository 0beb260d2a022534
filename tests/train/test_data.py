"""Loaders on small folders that the tests make."""

import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from s3train.data import DataError, load_data
from s3train.data.batches import Batches, evaluation_loader, training_loader
from s3train.data.folder import FolderImages

HEADER = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
HUGE = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + HEADER + struct.pack(">I", zlib.crc32(HEADER)) + b"\0\0\0\0IDAT"
"""Would fill the memory, so Pillow refuses it, with an error of its own."""


def cifar(folder, name, labels, count):
    rng = np.random.default_rng(count)
    table = rng.integers(0, 256, (count, labels + 3072), dtype=np.uint8)
    table[:, :labels] %= 10
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(table.tobytes())
    return table


@pytest.fixture
def cifar10(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    tables = [cifar(folder, f"data_batch_{n}.bin", 1, 10000) for n in range(1, 6)]
    return tmp_path, [*tables, cifar(folder, "test_batch.bin", 1, 10000)]


def test_cifar10_is_read_as_it_stands(cifar10):
    folder, tables = cifar10
    data = load_data("cifar10", folder)
    assert (data.shape, data.classes, data.train_count, data.test_count) == ((3, 32, 32), 10, 50000, 10000)
    assert np.array_equal(data.train_images[10007].numpy().reshape(-1), tables[1][7, 1:])
    images, labels = data.test(20, 23)
    assert np.array_equal(images.numpy().reshape(3, -1), tables[5][20:23, 1:])
    assert labels.tolist() == tables[5][20:23, 0].tolist()


def test_cifar100_uses_the_fine_labels(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    table = cifar(folder, "train.bin", 2, 50000)
    cifar(folder, "test.bin", 2, 10000)
    data = load_data("cifar100", tmp_path)
    assert np.array_equal(data.train_labels.numpy(), table[:, 1])


def test_a_damaged_or_missing_cifar_file_is_named(cifar10):
    folder, _ = cifar10
    file = folder / "cifar-10-batches-bin" / "data_batch_3.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin: 30729999 bytes, 30730000 expected; get the file again"):
        load_data("cifar10", folder)
    file.unlink()
    with pytest.raises(DataError, match=r"data_batch_3.bin: cannot be read .*get the binary version"):
        load_data("cifar10", folder)


def test_a_label_that_cifar_has_not_is_named_with_its_record(cifar10):
    folder, tables = cifar10
    table = tables[1].copy()
    table[[77, 78], 0] = 10, 200
    (folder / "cifar-10-batches-bin" / "data_batch_2.bin").write_bytes(table.tobytes())
    with pytest.raises(DataError, match=r"data_batch_2.bin: record 77 has label 10, there are 0 to 9; get the file"):
        load_data("cifar10", folder)


def test_an_augmented_image_is_moved_and_mirrored(cifar10):
    data = load_data("cifar10", cifar10[0])
    draws = torch.zeros(3, 5)
    draws[0] = torch.tensor([0.5, 0.5, 0.9, 0, 0])  # middle, not mirrored
    draws[1] = torch.tensor([0.5, 0.5, 0.1, 0, 0])  # middle, mirrored
    draws[2] = torch.tensor([0.0, 0.999, 0.9, 0, 0])  # four down, four to the left
    images, labels = data.train(torch.tensor([5, 5, 5]), draws)
    original = data.train_images[5]
    assert torch.equal(images[0], original)
    assert torch.equal(images[1], original.flip(2))
    assert torch.equal(images[2][:, 4:, :-4], original[:, :-4, 4:])
    assert (images[2][:, :4] == 128).all() and (images[2][:, :, -4:] == 128).all()
    assert labels.tolist() == [int(data.train_labels[5])] * 3


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 2)):
        for name in ("ant", "bee"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                image = Image.fromarray(rng.integers(0, 256, (40 + i, 60, 3), dtype=np.uint8))
                image.save(tmp_path / part / name / f"{i}.{'png' if i % 2 else 'JPEG'}")
    return tmp_path


def test_folders_of_images_are_a_data_set(folder):
    data = FolderImages("mine", folder, 32)
    assert (data.classes, data.train_count, data.test_count, data.shape) == (2, 12, 4, (3, 32, 32))
    batches = Batches(data, 4, seed=1)
    images, labels = batches[0, 1]
    assert images.shape == (4, 3, 32, 32) and images.dtype == torch.float32 and set(labels.tolist()) <= {0, 1}
    assert torch.equal(images, Batches(data, 4, seed=1)[0, 1][0])
    middle = data.test(0, 4)
    assert middle[0].shape == (4, 3, 32, 32) and middle[1].tolist() == [0, 0, 1, 1]


def test_worker_processes_give_the_same_batches(folder):
    data = FolderImages("mine", folder, 16)
    data.workers = 2
    loaded = list(training_loader(data, 4, seed=1))
    direct = Batches(data, 4, seed=1)
    assert len(loaded) == 3
    for step, (images, _) in enumerate(loaded):
        assert torch.equal(images, direct[0, step][0])
    assert sum(len(images) for images, _ in evaluation_loader(data, 3)) == 4


def test_bad_folders_are_named(folder, tmp_path):
    with pytest.raises(DataError, match=r"nowhere/train: cannot be read .*one folder of images a class"):
        FolderImages("mine", folder / "nowhere")
    (folder / "val" / "bee" / "0.JPEG").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"bee/0.JPEG: cannot be read as an image"):
        FolderImages("mine", folder).test(2, 3)
    for file in (folder / "val" / "ant").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"val/ant: no images"):
        FolderImages("mine", folder)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("content", [b"no image", HUGE])
def test_a_broken_image_is_one_sentence_from_any_process(folder, workers, content):
    data = FolderImages("mine", folder, 16)
    data.workers = workers
    for part in ("train", "val"):
        (folder / part / "ant" / "1.png").write_bytes(content)
    for part, loader in (("train", training_loader(data, 4, seed=1)), ("val", evaluation_loader(data))):
        with pytest.raises(DataError) as error:
            list(loader)
        said = str(error.value)
        assert said.startswith(f"{folder}/{part}/ant/1.png: cannot be read as an image (")
        assert "Traceback" not in said and "\n" not in said and len(said) < 500


def test_a_machines_processes_share_its_cores(folder, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(17))
    assert FolderImages("mine", folder).workers == 16
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert FolderImages("mine", folder).workers == 2
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "64")
    assert FolderImages("mine", folder).workers == 1


def test_a_batch_larger_than_the_data_is_refused(folder):
    with pytest.raises(ValueError, match="12 training images are fewer than a batch of 16"):
        training_loader(FolderImages("mine", folder, 16), 16, seed=0)

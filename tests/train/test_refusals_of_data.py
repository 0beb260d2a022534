"""Recipes and data that are refused, and the sentence that says why."""

import gzip

import numpy as np
import pytest

from s3train.data import DataError, load_data, load_digits, load_mnist
from s3train.data.folder import FolderImages
from s3train.data.mnist import FILES, read_idx
from s3train.recipe import Recipe, choose_recipe
from s3train.reparam import S3, DenseShift
from s3train.run_config import RunConfig
from s3train.runs import build
from s3train.train import train

CORRUPTED = gzip.compress(b"IDX", mtime=0)[:10] + b"\xff" * 20


@pytest.mark.parametrize("std", [-1.0, float("nan"), float("inf"), 0.0])
@pytest.mark.parametrize(("method", "message"), [(DenseShift, "positive and finite"), (S3, "finite and not negative")])
def test_a_spread_without_a_meaning_is_refused(method, message, std):
    if method is S3 and std == 0.0:
        assert S3(3, std=std).std == 0.0
        return
    with pytest.raises(ValueError, match=f"^the latents' std must be {message}, got {std}$"):
        method(3, std=std)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "adam"}, "^recipe field optimizer is 'adam', supported are sgd, radam$"),
        ({"precision": "8"}, "^recipe field precision is '8', supported are 32-true, bf16-mixed, 16-mixed$"),
        ({"precision": None}, "^recipe field precision is None, wanted is str$"),
    ],
)
def test_a_name_that_no_recipe_knows_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Recipe(1, 16, **fields)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("field", ["features", "latent_std"])
def test_a_number_beyond_its_range_is_refused(field, value):
    with pytest.raises(ValueError, match=f"^recipe field {field} is {value!r}, supported are 0 to 1e\\+30$"):
        Recipe(1, 16, **{field: value})


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("features", "x", "float"),
        ("latent_std", None, "float"),
        ("lr", True, "float"),
        ("epochs", 1.5, "int"),
        ("batch", "8", "int"),
        ("tied", "no", "bool"),
        ("root", 1, "bool"),
    ],
)
def test_a_setting_of_a_wrong_type_is_refused(field, value, wanted):
    with pytest.raises(ValueError, match=f"^recipe field {field} is {value!r}, wanted is {wanted}$"):
        Recipe(**{"epochs": 1, "batch": 16, field: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": "3"}, "bits is '3', wanted is int"),
        ({"bits": 3.0}, "bits is 3.0, wanted is int"),
        ({"activation_bits": 8.0}, "activation_bits is 8.0, wanted is int"),
        ({"seed": None}, "seed is None, wanted is int"),
        ({"first_last": "yes"}, "field first_last is 'yes', wanted is bool"),
        ({"method": "magic"}, "weight method 'magic' is unknown, supported are float, s3, .*, uniform"),
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_before_a_folder_is_made(tmp_path, options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        train("mlp", "digits", out=tmp_path / "run", data_folder=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_folders_may_be_strings(tmp_path):
    options = {"data_folder": str(tmp_path), "epochs": 1, "progress": False}
    assert train("mlp", "digits", out=str(tmp_path / "float"), method="float", **options).folder == tmp_path / "float"
    started = train("mlp", "digits", out=str(tmp_path / "run"), start=str(tmp_path / "float"), **options)
    assert started.folder == tmp_path / "run"


@pytest.mark.parametrize(("method", "std"), [("denseshift", 0.001), ("s3", 0.0)])
def test_the_published_recipe_has_a_spread_that_the_method_knows(method, std):
    recipe = choose_recipe("digits", method, "paper")
    assert recipe.latent_std == std
    build(RunConfig("mlp", "digits", method, 3, 8, True, 0, None, None, recipe), load_digits())


def test_a_field_that_no_recipe_has_is_refused():
    with pytest.raises(
        ValueError, match=r"^recipe field 'magic' is unknown, supported are epochs, batch, lr, .*, precision$"
    ):
        choose_recipe("digits", magic=1, other=2)


def test_a_folder_without_classes_is_refused(tmp_path):
    (tmp_path / "imagenet" / "train").mkdir(parents=True)
    (tmp_path / "imagenet" / "train" / "image.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"imagenet/train: no class folders; put one folder of images a class there$"):
        load_data("imagenet", tmp_path)
    with pytest.raises(DataError, match=r"imagenet/train: no class folders"):
        FolderImages("mine", tmp_path / "imagenet", 16)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.gz", b"no gzip", r"cannot be read \(Not a gzipped file"),
        ("x.gz", gzip.compress(bytes(99), mtime=0)[:-9], r"cannot be read \(Compressed file ended"),
        ("x.gz", CORRUPTED, r"cannot be read \(Error -3 while decompressing"),
        ("x", b"\0\0\x08\x03\0\0\0\x01\0\0", "its header is cut short"),
        ("x", b"\0\0\x08\x01\0\0\0\x05", r"0 bytes of data, its header says \(5,\)"),
        ("x", b"\0\0\x08\x01\0\0\0\x05abc", r"3 bytes of data, its header says \(5,\)"),
        ("x", b"\0\0\x08", "not an IDX file of bytes"),
        ("x", b"\0\0\x09\x01\0\0\0\x01a", "not an IDX file of bytes"),
        ("x", b"\0\0\x08\0\0\0\0\x01a", "not an IDX file of bytes"),
        ("x.gz", gzip.compress(b"\0\0\x08\x04" + bytes(20), mtime=0), "not an IDX file of bytes"),
    ],
)
def test_a_file_that_is_no_idx_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"/{name}: {message}.*; delete it to have it downloaded again$"):
        read_idx(tmp_path / name)


def test_an_idx_file_of_other_images_is_refused(tmp_path):
    file = tmp_path / FILES["train_images"][0]
    file.write_bytes(b"\0\0\x08\x03\0\0\0\x01\0\0\0\x02\0\0\0\x02abcd")
    message = r"train-images-idx3-ubyte: an array of \(1, 2, 2\), expected is \(60000, 28, 28\); delete it to have it "
    with pytest.raises(DataError, match=message):
        load_mnist(tmp_path)


def test_a_label_that_mnist_has_not_is_named_with_its_record(tmp_path):
    for name, count in FILES.values():
        labels = "labels" in name
        shape = (count,) if labels else (count, 28, 28)
        array = np.zeros(shape, np.uint8)
        if name.startswith("t10k-labels"):
            array[7] = 11
        header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
        (tmp_path / name).write_bytes(header + array.tobytes())
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: record 7 has label 11, there are 0 to 9; delete it"):
        load_mnist(tmp_path)

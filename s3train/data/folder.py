"""ImageNet and data sets of its form: ``train/<class>/<image>`` and ``val/<class>/<image>``."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hw.cores import cores
from s3train.data.dataset import DataError, ImageData
from s3train.formats import TensorFormat
from s3train.processes import local_processes

_ENDINGS = {".jpeg", ".jpg", ".png"}


class FolderImages(ImageData):
    """Images decoded when they are needed, in ``workers`` processes.

    Training images: a random part of 8 to 100% of the area with an aspect ratio of 3/4 to 4/3, scaled to the size,
    perhaps mirrored (Szegedy et al., 2015). Test images: the shorter side scaled to 8/7 of the size, the middle cut
    out.

    Parameters
    ----------
    name : str
        Name of the data set.
    folder : Path
        Holds ``train`` and ``val``.
    size : int
        Height and width of an image.

    Raises
    ------
    DataError
        If a folder is missing or holds no images.
    """

    format = TensorFormat(8, 128, 7)

    def __init__(self, name: str, folder: Path, size: int = 224) -> None:
        self.name = name
        self.size = size
        self.workers = max(1, min(16, cores() - 1) // local_processes())
        classes = self._classes(folder / "train")
        self._classes_found = len(classes)
        self._train = self._list(folder / "train", classes)
        self._test = self._list(folder / "val", classes)

    @staticmethod
    def _classes(folder: Path) -> list[str]:
        try:
            classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        except OSError as error:
            raise DataError(
                f"{folder}: cannot be read ({error.strerror}); put one folder of images a class there"
            ) from error
        if not classes:
            raise DataError(f"{folder}: no class folders; put one folder of images a class there")
        return classes

    @staticmethod
    def _list(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
        found = []
        for label, name in enumerate(classes):
            files = sorted(f for f in (folder / name).glob("*") if f.suffix.lower() in _ENDINGS)
            if not files:
                raise DataError(f"{folder / name}: no images (.jpeg, .jpg, .png) of this class")
            found += [(file, label) for file in files]
        return found

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return 3, self.size, self.size

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._classes_found

    @property
    def train_count(self) -> int:
        """Number of training images."""
        return len(self._train)

    @property
    def test_count(self) -> int:
        """Number of test images."""
        return len(self._test)

    def train(self, chosen: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented training images."""
        picked = [self._train[i] for i in chosen.tolist()]
        images = [self._augmented(file, *row) for (file, _), row in zip(picked, draws.tolist(), strict=True)]
        return torch.stack(images), torch.tensor([label for _, label in picked])

    def test(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Return a range of test images."""
        picked = self._test[begin:end]
        return torch.stack([self._middle(file) for file, _ in picked]), torch.tensor([label for _, label in picked])

    def _augmented(self, file: Path, area: float, ratio: float, left: float, top: float, flip: float) -> Tensor:
        image = _open(file)
        wanted = image.width * image.height * (0.08 + 0.92 * area)
        aspect = math.exp((2 * ratio - 1) * math.log(4 / 3))
        width = min(image.width, max(1, round(math.sqrt(wanted * aspect))))
        height = min(image.height, max(1, round(math.sqrt(wanted / aspect))))
        x, y = round(left * (image.width - width)), round(top * (image.height - height))
        image = image.resize((self.size, self.size), Image.Resampling.BILINEAR, (x, y, x + width, y + height))
        return _tensor(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip < 0.5 else image)

    def _middle(self, file: Path) -> Tensor:
        image = _open(file)
        side = min(image.width, image.height) * 7 / 8
        x, y = (image.width - side) / 2, (image.height - side) / 2
        return _tensor(image.resize((self.size, self.size), Image.Resampling.BILINEAR, (x, y, x + side, y + side)))


def _open(file: Path) -> Image.Image:
    try:
        return Image.open(file).convert("RGB")
    except Exception as error:
        # Pillow raises what its decoders happen to meet, and errors of its own that are neither OSError nor ValueError.
        raise DataError(f"{file}: cannot be read as an image ({error}); get it again or delete it") from error


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)

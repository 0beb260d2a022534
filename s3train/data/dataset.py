"""What a data set is, and the data sets that fit into memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from s3train.formats import TensorFormat

DRAWS = 5
"""Random numbers that an image's augmentation may use."""


class DataError(RuntimeError):
    """A data set is unknown, missing or damaged; the sentence says which file and how to get it."""


class ImageData(ABC):
    """Images and labels for training and test; images are stored numbers, as the network's input wants them.

    Attributes
    ----------
    name : str
        Name of the data set.
    format : TensorFormat
        How the stored numbers stand for real ones.
    shape : (channels, height, width)
        Shape of an image.
    classes : int
        Number of classes.
    train_count, test_count : int
        Numbers of images.
    workers : int
        Processes that make batches ahead, for each process of a training; 0 where a batch costs next to nothing.
    """

    name: str
    format: TensorFormat
    workers: int = 0

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]: ...

    @property
    @abstractmethod
    def classes(self) -> int: ...

    @property
    @abstractmethod
    def train_count(self) -> int: ...

    @property
    @abstractmethod
    def test_count(self) -> int: ...

    @abstractmethod
    def train(self, chosen: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented training images and their labels.

        Parameters
        ----------
        chosen : int64 (n,)
            Indices of the images.
        draws : float32 (n, DRAWS)
            Random numbers in [0, 1) that decide each image's augmentation.

        Returns
        -------
        uint8 (n, channels, height, width), int64 (n,)
        """

    @abstractmethod
    def test(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Return (uint8 images, int64 labels) of a range of test images."""

    def test_batches(self, size: int = 500) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all test images and labels."""
        for begin in range(0, self.test_count, size):
            yield self.test(begin, min(begin + size, self.test_count))

    def real(self, images: Tensor) -> Tensor:
        """Return the real values of stored images, float32."""
        return (images.float() - self.format.zero_point) * 2.0**-self.format.exponent


@dataclass(frozen=True, eq=False)
class MemoryImages(ImageData):
    """A data set in memory; training images are moved by up to ``shift`` pixels and perhaps mirrored.

    Attributes
    ----------
    train_images, test_images : uint8 (images, channels, height, width)
        Stored numbers.
    train_labels, test_labels : int64 (images,)
        Classes.
    shift : int
        Largest shift in pixels.
    flip : bool
        Whether training images may be mirrored.
    """

    name: str
    format: TensorFormat
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    shift: int
    flip: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train_labels.max()) + 1

    @property
    def train_count(self) -> int:
        """Number of training images."""
        return len(self.train_images)

    @property
    def test_count(self) -> int:
        """Number of test images."""
        return len(self.test_images)

    def train(self, chosen: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented training images; a pixel from outside is a real 0."""
        images = self.train_images[chosen]
        count, _, height, width = images.shape
        padded = functional.pad(images, (self.shift,) * 4, value=self.format.zero_point)
        offsets = (draws[:, :2] * (2 * self.shift + 1)).long()
        rows = offsets[:, 0, None] + torch.arange(height)
        columns = offsets[:, 1, None] + torch.arange(width)
        if self.flip:
            mirrored = draws[:, 2] < 0.5
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        picked = padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return picked.permute(0, 3, 1, 2), self.train_labels[chosen]

    def test(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Return a range of test images."""
        return self.test_images[begin:end], self.test_labels[begin:end]

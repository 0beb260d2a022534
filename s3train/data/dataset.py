"""What a data set is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from s3train.formats import TensorFormat


class DataError(RuntimeError):
    """A data set is unknown, missing or damaged; the sentence says which file and how to get it."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images and labels for training and test.

    Attributes
    ----------
    name : str
        Name of the data set.
    format : TensorFormat
        How the stored numbers stand for real ones.
    train_images, test_images : uint8 (images, channels, height, width)
        Stored numbers.
    train_labels, test_labels : int64 (images,)
        Classes.
    shift : int
        Largest shift in pixels by which training images may be moved.
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

    def real(self, images: Tensor) -> Tensor:
        """Return the real values of stored images, float32."""
        return (images.float() - self.format.zero_point) * 2.0**-self.format.exponent

"""Batches of augmented images, every one a function of (seed, epoch, step) alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Sampler

from s3train.data.dataset import ImageData


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Batch ``(epoch, step)``: shuffled, each image moved by up to ``shift`` pixels and perhaps mirrored.

    Parameters
    ----------
    data : ImageData
        Training images in memory.
    batch : int
        Images in a step, over all processes.
    seed : int
        Seed of order and augmentation.
    rank, world : int
        This process's share: images ``rank·batch/world …`` of every batch.
    """

    def __init__(self, data: ImageData, batch: int, seed: int = 0, rank: int = 0, world: int = 1) -> None:
        if batch % world:
            raise ValueError(f"a batch of {batch} images cannot be shared evenly by {world} processes")
        self.data = data
        self.batch = batch
        self.seed = seed
        self.rank, self.world = rank, world
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def __len__(self) -> int:
        """Return the number of steps in an epoch; the rest of the images waits for the next one."""
        return len(self.data.train_images) // self.batch

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return (float32 images (n, channels, height, width), int64 labels (n,)) of a step."""
        epoch, step = index
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order = epoch, torch.randperm(len(self.data.train_images), generator=generator)
        chosen = self._order[1][step * self.batch : (step + 1) * self.batch]
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) * 1_000_003 + step + 1)
        images = self._augment(self.data.train_images[chosen], generator)
        share = slice(self.rank * self.batch // self.world, (self.rank + 1) * self.batch // self.world)
        return self.data.real(images[share]), self.data.train_labels[chosen][share]

    def _augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        shift = self.data.shift
        count, _, height, width = images.shape
        padded = functional.pad(images, (shift,) * 4, value=self.data.format.zero_point)
        offsets = torch.randint(0, 2 * shift + 1, (2, count), generator=generator)
        rows = offsets[0][:, None] + torch.arange(height)
        columns = offsets[1][:, None] + torch.arange(width)
        if self.data.flip:
            mirrored = torch.rand(count, generator=generator) < 0.5
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        picked = padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return picked.permute(0, 3, 1, 2)


class Steps(Sampler[tuple[int, int]]):
    """The indices of one epoch; ``set_epoch`` (Lightning calls it) chooses which."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, step) for step in range(self.steps))


def training_loader(data: ImageData, batch: int, seed: int, rank: int = 0, world: int = 1) -> DataLoader:  # type: ignore[type-arg]
    """Return the loader of training batches."""
    batches = Batches(data, batch, seed, rank, world)
    return DataLoader(batches, batch_size=None, sampler=Steps(len(batches)))

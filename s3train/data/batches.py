"""Batches of augmented images, every one a function of (seed, epoch, step) alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler

from s3train.data.dataset import DRAWS, DataError, ImageData

Batch = tuple[Tensor, Tensor]


class Said(Dataset["Batch | DataError"]):
    """Batches of a data set, or what is wrong with it: torch would add a worker's traceback to an error's sentence."""

    def __init__(self, batches: Dataset[Batch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __getitem__(self, index: Any) -> Batch | DataError:
        """Return a batch, or the error."""
        try:
            return self.batches[index]
        except DataError as error:
            return DataError(str(error))


class Loader(DataLoader[Any]):
    """A loader that raises the errors that its workers found."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, DataError):
                raise batch
            yield batch


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Batch ``(epoch, step)``: shuffled and augmented.

    Parameters
    ----------
    data : ImageData
        Training images.
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
        if data.train_count < batch:
            raise ValueError(f"{data.train_count} training images are fewer than a batch of {batch}")
        self.data = data
        self.batch = batch
        self.seed = seed
        self.rank, self.world = rank, world
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def __len__(self) -> int:
        """Return the number of steps in an epoch; the rest of the images waits for the next one."""
        return self.data.train_count // self.batch

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return (float32 images (n, channels, height, width), int64 labels (n,)) of a step."""
        epoch, step = index
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order = epoch, torch.randperm(self.data.train_count, generator=generator)
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) * 1_000_003 + step + 1)
        draws = torch.rand((self.batch, DRAWS), generator=generator)
        share = self.batch // self.world
        mine = slice(self.rank * share, (self.rank + 1) * share)
        chosen = self._order[1][step * self.batch : (step + 1) * self.batch]
        images, labels = self.data.train(chosen[mine], draws[mine])
        return self.data.real(images), labels


class Steps(Sampler[tuple[int, int]]):
    """The indices of one epoch; ``set_epoch`` (Lightning calls it) chooses which.

    Parameters
    ----------
    steps : int
        Steps in an epoch.
    done : int
        Steps of the first epoch that an interrupted run has behind it.
    """

    def __init__(self, steps: int, done: int = 0) -> None:
        self.steps = steps
        self.done = done % steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[int, int]]:
        # The first index is asked for when the epoch is known, perhaps long after the iterator was made.
        begin, self.done = self.done, 0
        for step in range(begin, self.steps):
            yield self.epoch, step


def training_loader(data: ImageData, batch: int, seed: int, rank: int = 0, world: int = 1, done: int = 0) -> Loader:
    """Return the loader of training batches; the first epoch begins at step ``done``."""
    batches = Batches(data, batch, seed, rank, world)
    return Loader(
        Said(batches),
        batch_size=None,
        sampler=Steps(len(batches), done),
        num_workers=data.workers,
        persistent_workers=bool(data.workers),
    )


class _TestBatches(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, data: ImageData, size: int) -> None:
        self.data = data
        self.size = size

    def __len__(self) -> int:
        return -(-self.data.test_count // self.size)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        begin = index * self.size
        images, labels = self.data.test(begin, min(begin + self.size, self.data.test_count))
        return self.data.real(images), labels


def evaluation_loader(data: ImageData, size: int = 250) -> Loader:
    """Return the loader of (float32 images, labels) for the test."""
    batches = _TestBatches(data, size)
    sampler = SequentialSampler(batches)
    return Loader(Said(batches), batch_size=None, sampler=sampler, num_workers=data.workers)

"""The training step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import IterableDataset
from torchmetrics.classification import MulticlassAccuracy

from s3train.data import ImageData
from s3train.layers import ActivationQuantizer, ShiftBlock
from s3train.recipe import Recipe
from s3train.reparam import dense_weight_regularizer
from s3train.reparam.regularizer import s3_latents


class Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """Shuffled batches of images in memory, moved by up to ``shift`` pixels."""

    def __init__(self, data: ImageData, batch: int) -> None:
        self.data = data
        self.batch = batch

    def __len__(self) -> int:
        return len(self.data.train_images) // self.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.data.train_images))
        for i in range(len(self)):
            chosen = order[i * self.batch : (i + 1) * self.batch]
            images = self.data.real(self.data.train_images[chosen])
            yield self._move(images), self.data.train_labels[chosen]

    def _move(self, images: Tensor) -> Tensor:
        shift = self.data.shift
        padded = functional.pad(images, (shift,) * 4)
        count, _, height, width = images.shape
        offsets = torch.randint(0, 2 * shift + 1, (2, count))
        rows = offsets[0][:, None] + torch.arange(height)
        columns = offsets[1][:, None] + torch.arange(width)
        picked = padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return picked.permute(0, 3, 1, 2)


class TrainingModule(lightning.LightningModule):
    """Cross entropy with a learned temperature, the regulariser, and what to watch.

    Parameters
    ----------
    model : Module
        A converted model, or a float one.
    recipe : Recipe
        Settings.
    classes : int
        Number of classes.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, classes: int) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.shifted = any(isinstance(module, ShiftBlock) for module in model.modules())
        # Integer weights make large logits; one learned factor for all of them brings them to the loss.
        self.log_temperature = nn.Parameter(torch.tensor(math.log(20.0) if self.shifted else 0.0))
        self.log_temperature.requires_grad_(self.shifted)
        self.accuracy = MulticlassAccuracy(classes, average="micro")
        self._start_signs = [latent.detach()[0] >= 0 for latent in s3_latents(model)]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, brought to the loss's scale."""
        logits: Tensor = self.model(x)
        return logits * torch.exp(-self.log_temperature)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the loss of a batch; a loss that is not a number ends the run."""
        images, labels = batch
        loss = functional.cross_entropy(self(images), labels, label_smoothing=self.recipe.smoothing)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {self.global_step}; try a smaller learning rate"
            )
        self.log("loss", loss, prog_bar=True)
        if self.shifted and self.recipe.regularizer:
            loss = loss + self.recipe.regularizer * dense_weight_regularizer(self.model)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Measure the accuracy of the evaluation model, which is the integer network's."""
        images, labels = batch
        self.accuracy(self(images), labels)
        self.log("accuracy", self.accuracy, prog_bar=True, on_epoch=True, on_step=False)

    def on_train_epoch_start(self) -> None:
        """Freeze statistics and scales towards the end."""
        frozen = self.current_epoch >= round(self.recipe.epochs * (1 - self.recipe.freeze))
        for module in self.model.modules():
            if isinstance(module, ShiftBlock):
                module.frozen = frozen
            if isinstance(module, ActivationQuantizer):
                module.latent_exponent.requires_grad_(not frozen)

    def on_train_epoch_end(self) -> None:
        """Log the share of zero weights and of signs that changed since the start."""
        latents = s3_latents(self.model)
        if latents:
            total = sum(latent[0].numel() for latent in latents)
            zeros = sum(int((latent[1] <= 0).sum()) for latent in latents)
            flips = sum(
                int(((latent.detach()[0] >= 0) != start).sum())
                for latent, start in zip(latents, self._start_signs, strict=True)
            )
            self.log_dict({"zeros": zeros / total, "sign_flips": flips / total})

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the latents' gradient norm once an epoch: vanishing gradients show here."""
        if self.global_step % max(1, self.trainer.num_training_batches) == 0:
            norms = [latent.grad.norm() for latent in s3_latents(self.model) if latent.grad is not None]
            if norms:
                self.log("latent_gradient", torch.stack(norms).norm())

    def configure_optimizers(self) -> Any:
        """SGD with one group each for latents, activation scales, weights, and the rest."""
        recipe = self.recipe
        latents = s3_latents(self.model)
        exponents = [m.latent_exponent for m in self.model.modules() if isinstance(m, ActivationQuantizer)]
        known = {id(p) for p in (*latents, *exponents)}
        others = [p for p in self.parameters() if id(p) not in known]
        groups: list[dict[str, Any]] = [
            {"params": latents, "lr": recipe.latent_lr, "weight_decay": recipe.weight_decay},
            {"params": exponents, "lr": recipe.exponent_lr, "weight_decay": 0.0},
            {"params": [p for p in others if p.ndim > 1], "lr": recipe.lr, "weight_decay": recipe.weight_decay},
            {"params": [p for p in others if p.ndim <= 1], "lr": recipe.lr, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        optimizer = torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [group["lr"] for group in groups], total_steps=steps, pct_start=0.2, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

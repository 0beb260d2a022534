"""The training step."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torchmetrics.classification import MulticlassAccuracy

from s3train.distillation import Distillation
from s3train.integer import predictions
from s3train.layers import ActivationQuantizer, ShiftBlock
from s3train.logits_scale import LEAST
from s3train.not_finite import output_not_finite, stored_not_finite
from s3train.processes import take_buffers_of_first
from s3train.recipe import Recipe
from s3train.reparam import DeepShiftPS, dense_weight_regularizer, power_decay, weight_methods
from s3train.watch import Watch


class TrainingModule(lightning.LightningModule):
    """Cross entropy with a learned temperature, distillation, the regulariser, and what to watch.

    Parameters
    ----------
    model : Module
        A converted model, or a float one.
    recipe : Recipe
        Settings.
    classes : int
        Number of classes.
    teacher : Module or None
        Gives the classes that the loss's share ``recipe.distillation`` wants.
    logits_scale : float
        How much larger the logits of integer weights are at the start.
    twin : Module or None
        The float network that the model was made of; its features are wanted if ``recipe.features`` is not 0.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        classes: int,
        teacher: nn.Module | None = None,
        logits_scale: float = LEAST,
        twin: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.shifted = any(True for _ in weight_methods(model))
        self.powers = any(isinstance(method, DeepShiftPS) for _, _, method, _ in weight_methods(model))
        # Integer weights make large logits; one learned factor for all of them brings them to the loss.
        self.log_temperature = nn.Parameter(torch.tensor(math.log(logits_scale) if self.shifted else 0.0))
        self.log_temperature.requires_grad_(self.shifted)
        self.accuracy = MulticlassAccuracy(classes, average="micro")
        # Its networks are no submodules: they are neither trained nor kept in checkpoints.
        self._distillation = Distillation(model, recipe, teacher, twin)
        self.watch = Watch(model)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, brought to the loss's scale."""
        logits: Tensor = self.model(_channels_last(x))
        return logits.float() * torch.exp(-self.log_temperature)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the loss of a batch; a loss that is not finite ends the run."""
        images, labels = batch
        recipe = self.recipe
        try:
            with parametrize.cached(), self._distillation.watch() as features:
                logits = self(images)
        except (ValueError, OverflowError):
            # An activation scale that is not a number has no exponent.
            self._check_stored()
            raise
        loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)
        loss = self._distillation(loss, logits, features, _channels_last(images))
        self.log("loss", loss, prog_bar=True)
        if self.shifted and recipe.regularizer:
            loss = loss + recipe.regularizer * dense_weight_regularizer(self.model)
        if self.powers and recipe.weight_decay:
            loss = loss + recipe.weight_decay * power_decay(self.model)
        if not torch.isfinite(loss):
            # Running statistics have seen what is not finite, wherever it came from.
            self._check_stored(buffers=False)
            where = output_not_finite(self.model, _channels_last(images)) or "loss itself"
            raise FloatingPointError(self._sentence(f"the loss is {loss.item()}", f", from the {where}"))
        return loss

    def _check_stored(self, *, buffers: bool = True) -> None:
        """Raise ``FloatingPointError`` if a parameter, or a buffer, is not finite."""
        if found := stored_not_finite(self.model, buffers=buffers):
            raise FloatingPointError(self._sentence(f"the {found} is not finite", ""))
        if not torch.isfinite(self.log_temperature):
            raise FloatingPointError(self._sentence("the logits' temperature is not finite", ""))

    def _sentence(self, what: str, where: str) -> str:
        """Return what went wrong at this step, and what to try."""
        latents = any(method.LATENT for _, _, method, _ in weight_methods(self.model))
        rates = {"lr": self.recipe.lr, **({"latent_lr": self.recipe.latent_lr} if latents else {})}
        tried = ", ".join(f"{name} {rate:g}" for name, rate in rates.items())
        return f"{what} at step {self.global_step}{where}; try a smaller learning rate ({tried})"

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Measure the accuracy of the evaluation model without mixed precision, which is the integer network's."""
        images, labels = batch
        with torch.autocast(images.device.type, enabled=False):
            self.accuracy(predictions(self.model(_channels_last(images))), labels)
        self.log("accuracy", self.accuracy, prog_bar=True, on_epoch=True, on_step=False)

    def on_train_batch_start(self, batch: Any, index: int) -> None:
        """Round the factors more and more; freeze the scales towards the end, when the learning rate is nearly 0."""
        done = self.global_step / int(self.trainer.estimated_stepping_batches)
        soft = self.recipe.soft
        hardness = min(1.0, max(0.0, 2 * done / soft - 1)) if soft else 1.0
        for module in self.model.modules():
            if isinstance(module, ShiftBlock):
                module.hardness = hardness
            if isinstance(module, ActivationQuantizer):
                module.latent_exponent.requires_grad_(module.learned and done < 1 - self.recipe.freeze)

    def on_train_epoch_end(self) -> None:
        """Log the shares of zeros and of signs that changed since the start, in all and for every layer.

        A parameter or a running statistic that is not finite ends the run: the loss need not show it, for S3's weights
        are finite whatever their latents are, and a batch norm in training does not read its statistics.
        """
        self._check_stored()
        self.log_dict(self.watch.summary(self.model))

    def on_train_end(self) -> None:
        """Make the processes' networks equal: running statistics have seen the last step's share of the batch only."""
        take_buffers_of_first(self.model)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the latents' gradient norms once an epoch: vanishing gradients show here."""
        if self.global_step % max(1, self.trainer.num_training_batches) == 0:
            self.log_dict(self.watch.gradients(self.model))

    def configure_optimizers(self) -> Any:
        """One group each for latents, scales, weights, and the rest."""
        recipe = self.recipe
        trained = [(latent, method) for _, _, method, latent in weight_methods(self.model) if method.LATENT]
        # Their decay is a part of the loss.
        powers = [latent for latent, method in trained if isinstance(method, DeepShiftPS)]
        latents = [latent for latent, method in trained if not isinstance(method, DeepShiftPS)]
        # Scales, of activations and of the logits: a step of them moves everything.
        exponents = [m.latent_exponent for m in self.model.modules() if isinstance(m, ActivationQuantizer)]
        exponents.append(self.log_temperature)
        known = {id(p) for p in (*latents, *powers, *exponents)}
        others = [p for p in self.parameters() if id(p) not in known]
        groups: list[dict[str, Any]] = [
            {"params": latents, "lr": recipe.latent_lr, "weight_decay": recipe.weight_decay},
            {"params": powers, "lr": recipe.latent_lr, "weight_decay": 0.0},
            {"params": exponents, "lr": recipe.exponent_lr, "weight_decay": 0.0},
            {"params": [p for p in others if p.ndim > 1], "lr": recipe.lr, "weight_decay": recipe.weight_decay},
            {"params": [p for p in others if p.ndim <= 1], "lr": recipe.lr, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        optimizer: torch.optim.Optimizer
        if recipe.optimizer == "radam":
            optimizer = torch.optim.RAdam(groups, lr=recipe.lr)
        else:
            optimizer = torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, Cycle(steps, recipe.rise))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _channels_last(images: Tensor) -> Tensor:
    """Return the images in the memory format in which convolutions are fastest; all later tensors follow it."""
    return images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images


class Cycle:
    """Rate over peak rate at a step: a cosine up in the first share ``rise`` of the steps, a cosine down to 0."""

    def __init__(self, steps: int, rise: float) -> None:
        self.steps = steps
        self.top = rise * steps

    def __call__(self, step: int) -> float:
        """Return the factor."""
        if step < self.top:
            return 0.52 - 0.48 * math.cos(math.pi * step / self.top)
        return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (step - self.top) / max(1.0, self.steps - self.top)))

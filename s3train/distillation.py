"""What a network learns from trained ones: a teacher's classes, its float twin's features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional

from s3train.convert import trace
from s3train.feature_distillation import Features, feature_distance, watch_features
from s3train.recipe import Recipe


class Distillation:
    """The loss's two shares that come from trained networks.

    Parameters
    ----------
    student : Module
        The network in training.
    recipe : Recipe
        ``distillation`` and ``temperature`` for the classes, ``features`` for the features.
    teacher : Module or None
        Gives the classes.
    twin : Module or None
        Gives the features: a float network of the student's layers. If it is the teacher, it sees each batch once.

    Raises
    ------
    ValueError
        If the recipe wants features and there is no twin.
    """

    def __init__(self, student: nn.Module, recipe: Recipe, teacher: nn.Module | None, twin: nn.Module | None) -> None:
        if recipe.features and twin is None:
            raise ValueError("setting 'features' wants a float twin to start from, set it to 0 without one")
        self._student = student
        self._recipe = recipe
        shown = _for_answers(twin) if twin is not None and recipe.features else None
        self._twin = shown
        self._teacher = None
        if teacher is not None and recipe.distillation:
            self._teacher = shown if shown is not None and teacher is twin else _for_answers(teacher)

    @contextmanager
    def watch(self) -> Iterator[Features]:
        """Collect the student's features of the forward pass in the ``with`` block, if they are wanted."""
        if self._twin is None:
            yield {}
        else:
            with watch_features(self._student) as found:
                yield found

    def __call__(self, loss: Tensor, logits: Tensor, found: Features, images: Tensor) -> Tensor:
        """Return the loss with the shares of teacher and twin.

        Parameters
        ----------
        loss : float tensor ()
            The labels' loss.
        logits : float tensor (images, classes)
            The student's.
        found : dict of tensors
            The student's features.
        images : float tensor (images, ...)
            The batch.
        """
        recipe = self._recipe
        wanted: Features = {}
        answers = None
        with torch.no_grad():
            if self._twin is not None:
                with watch_features(self._twin) as wanted:
                    answers = self._twin.to(images.device)(images)
            if self._teacher is not None and self._teacher is not self._twin:
                answers = self._teacher.to(images.device)(images)
        if self._teacher is not None and answers is not None:
            distance = class_distance(logits, answers, recipe.temperature)
            loss = torch.lerp(loss, distance, recipe.distillation)
        if wanted:
            loss = loss + recipe.features * feature_distance(found, wanted)
        return loss


def class_distance(logits: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Return ``τ²·KL`` of two networks' softened classes (Hinton et al., 2015), of logits (images, classes)."""
    target = functional.log_softmax(wanted.float() / temperature, dim=1)
    found = functional.log_softmax(logits / temperature, dim=1)
    return functional.kl_div(found, target, reduction="batchmean", log_target=True) * temperature**2


def _for_answers(teacher: nn.Module) -> nn.Module:
    """Return a float model for evaluation only, its batch norms folded into its convolutions."""
    # Traced by our own tracer, which takes our layers as they are.
    fused: nn.Module = fuse(trace(teacher.eval()), no_trace=True).requires_grad_(False)
    return fused

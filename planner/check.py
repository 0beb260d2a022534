"""``shiftforge.check``: models and networks alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bitstreams.boards import board_by_name
from hw.graph import Network
from planner.network_check import check_network
from planner.verdict import Verdict

if TYPE_CHECKING:
    from torch import Tensor, nn


def check(
    model: nn.Module | Network, example_input: Tensor | None = None, *, board: str = "icebreaker", **options: Any
) -> Verdict:
    """Return whether a PyTorch model or an integer network would build for a board.

    Parameters
    ----------
    model : Module or Network
        A float model, before any training, or what :func:`shiftforge.export` made of a trained one.
    example_input : Tensor
        A batch of images for a float model.
    board : str
        Name of a board, see ``shiftforge boards``.
    options
        For a float model, as of :func:`planner.model_check.check_model`: bits, formats.

    Returns
    -------
    Verdict
        ``print`` shows it as a table; ``answer`` and ``to_json`` are for programs.

    Raises
    ------
    ValueError
        If the board is unknown, or a float model comes without a batch.
    """
    if isinstance(model, Network):
        return check_network(model, board_by_name(board))
    from planner.model_check import check_model

    if example_input is None:
        raise ValueError("a PyTorch model is checked with a batch of images: check(model, example_input)")
    return check_model(model, example_input, board=board, **options)

"""Images that a verb is given: of a data set, of numpy, or pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from cli.console import data_folder


def read_images(graph: Any, given: list[str], samples: int) -> tuple[Any, list[str], Any]:
    """Return stored numbers (n, channels, height, width), a name for each, and the classes of a data set.

    ``given`` are .npy files and pictures, or one name of a data set, of which ``samples`` test images are taken.

    Raises
    ------
    ValueError
        If a file cannot be read or is not what the network takes.
    """
    import numpy as np

    tensor = graph.tensor(graph.input)
    if len(given) == 1 and not Path(given[0]).exists() and Path(given[0]).suffix == "":
        stored, classes = test_images(graph, given[0], samples)
        return stored, [f"{given[0]} {i}" for i in range(len(stored))], classes
    parts, names = [], []
    for name in given:
        part = _array(Path(name)) if Path(name).suffix == ".npy" else _picture(Path(name), tensor)
        _fits(tensor, part.shape[1:], name)
        if part.size and int(part.max()) > tensor.maximum:
            raise ValueError(f"{name}: has the value {int(part.max())}, the network takes 0 to {tensor.maximum}")
        parts.append(part)
        names += [name] if len(part) == 1 else [f"{name} {i}" for i in range(len(part))]
    return (np.concatenate(parts) if parts else None), names, None


def test_images(graph: Any, name: str, samples: int) -> tuple[Any, Any]:
    """Return the first test images of a data set and their classes; ``ValueError`` if the network takes others."""
    from s3train.data import load_data

    data = load_data(name, data_folder())
    stored, classes = data.test(0, min(samples, data.test_count))
    _fits(graph.tensor(graph.input), tuple(stored.shape[1:]), name)
    return stored.numpy(), classes.numpy()


def _fits(tensor: Any, shape: tuple[int, ...], name: str) -> None:
    if tuple(shape) != tensor.shape:
        raise ValueError(f"{name}: an image of {tuple(shape)}, the network takes {tensor.shape}")


def _array(path: Path) -> Any:
    import numpy as np

    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such file") from error
    except Exception as error:
        # A damaged header is Python that does not parse, or a shape that no memory holds: numpy lets all of it out.
        raise ValueError(f"{path}: not an array of numpy ({error})") from error
    found = found[None] if getattr(found, "ndim", 0) == 3 else found
    if getattr(found, "ndim", 0) != 4 or found.dtype != np.uint8:
        raise ValueError(f"{path}: must be uint8 (images, channels, height, width) or one image of it")
    return found


def _picture(path: Path, tensor: Any) -> Any:
    """Read a picture as it is stored: grey or colour, resized, its bytes scaled to the tensor's bits."""
    import numpy as np
    from PIL import Image

    if tensor.channels not in (1, 3):
        raise ValueError(f"{path}: the network takes {tensor.shape} numbers, which no picture is; give a .npy file")
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            mode = "L" if tensor.channels == 1 else "RGB"
            pixels = np.asarray(image.convert(mode).resize((tensor.width, tensor.height)), np.uint8)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such file") from error
    except Exception as error:
        # Pillow's readers raise what they run into, from SyntaxError to TypeError.
        raise ValueError(f"{path}: not a picture that can be read ({error})") from error
    planes = pixels.reshape(tensor.height, tensor.width, tensor.channels).transpose(2, 0, 1)
    # A network of fewer bits than a byte counts in its own steps: digits' pixels are 0 to 16.
    return (planes.astype(np.uint16) >> 8 - tensor.bits).astype(np.uint8)[None]

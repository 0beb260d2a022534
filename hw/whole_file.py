"""Writes files whole or not at all, whenever the process dies and whoever else writes them."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes its place at the end of the block.

    The temporary name is no other process's. If the block fails, the old file stays and the temporary one is removed;
    if the process is killed, it is left behind with a name that begins with a point and ends with ``.tmp``.

    Raises
    ------
    OSError
        If the file cannot be written, or ``path`` is a device or a pipe; the error names ``path``.
    """
    temporary: Path | None = None
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            # A device or a pipe: renaming would put a file in its place.
            raise OSError(errno.EINVAL, "not a regular file")
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(number)
        temporary = Path(name)
        yield temporary
        # mkstemp lets nobody else read.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        if error.filename in (None, str(temporary)) or temporary is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all, see :func:`whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)

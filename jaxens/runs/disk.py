"""Errors of a disk: one that is full or can't be written, and a network share that is gone."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# NFS and FUSE have errors of their own.
_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE,
           errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT)  # fmt: skip


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Raises errors of the disk as `OSError`; TensorStore raises them as `ValueError`."""
    try:
        yield
    except ValueError as error:
        for number in _ERRORS:
            if os.strerror(number) in str(error):
                raise OSError(number, os.strerror(number), str(folder)) from error
        raise


def check_room(folder: Path, needed: int) -> None:
    """Raises `OSError` if the disk is full or can't be written.

    Otherwise each of Orbax's writers would find that out, and log an error of its own.

    Args:
        folder: A folder on the disk.
        needed: The number of bytes to write.
    """
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    if shutil.disk_usage(folder).free < needed + 2**20:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

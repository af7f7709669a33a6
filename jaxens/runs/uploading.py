"""Uploads a run while it is trained, in a background thread that training does not wait for."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from jaxens.errors import UserError
from jaxens.names import shorten
from jaxens.runs.mirror import WorkingCopy
from jaxens.urls import is_url

log = logging.getLogger(__name__)

NAME = "upload of a run"  # of the thread
INTERVAL = 1.0  # seconds between two looks for a new checkpoint
QUIET = 5.0  # seconds of waiting without a word
AT_END = 3600.0  # seconds for the last upload
AT_STOP = 240.0  # seconds for it after a signal or an error: SLURM gives five minutes


@contextlib.contextmanager
def mirrored(out: str | os.PathLike[str] | None, resume: bool) -> Iterator[Path | None]:
    """Yields the local folder of a run; what is written into that of a URL is uploaded.

    Args:
        out: A local folder, a URL, or None.
        resume: Whether the run is continued. Then what is at the URL is downloaded first.

    Raises:
        UserError: If the run can't be read or written, or its end can't be uploaded.
    """
    if out is None or not is_url(out):
        yield None if out is None else Path(out)
        return
    copy = WorkingCopy(os.fspath(out))
    if resume:
        copy.pull()
    else:
        copy.begin()
    copy.remote.check_writable()
    uploads = _Uploads(copy)
    try:
        yield copy.folder
    except BaseException as error:
        if failed := uploads.close(AT_STOP):
            log.warning(failed)
        elif copy.folder.exists():
            error.add_note(f"it is uploaded to {copy.remote.url}")
        raise
    if failed := uploads.close(AT_END):
        raise UserError(failed)


class _Uploads:
    """Uploads a working copy whenever it has a new checkpoint, and at the end."""

    def __init__(self, copy: WorkingCopy):
        self._copy = copy
        self._ending = threading.Event()
        self._failed = "it was cut off"
        # A daemon: a transfer that hangs does not keep the process.
        self._thread = threading.Thread(target=self._work, name=NAME, daemon=True)
        self._thread.start()

    def close(self, patience: float) -> str:
        """Uploads the rest, for some seconds at most. Says what is wrong; "" if nothing is."""
        url, folder = self._copy.remote.url, self._copy.folder
        self._ending.set()
        self._thread.join(min(QUIET, patience))
        if self._thread.is_alive():
            log.warning(f"{url}: uploading the rest, for {patience / 60:.3g} minutes at most")
            self._thread.join(patience)
        reason = "it takes too long" if self._thread.is_alive() else self._failed
        kept = f"{folder} keeps all, and `resume` uploads it"
        return f"the end of the run is not uploaded to {url} ({reason}): {kept}" if reason else ""

    def _work(self) -> None:
        seen = self._copy.checkpoints()
        while not self._ending.wait(INTERVAL):
            found = self._copy.checkpoints()
            if found != seen:
                seen = found
                if failed := self._push():
                    log.warning(f"{failed}; it is tried again with the next checkpoint")
        self._failed = self._push()

    def _push(self) -> str:
        """Uploads what has changed. Says what is wrong; "" if nothing is."""
        try:
            self._copy.push()
        except Exception as error:  # also of the disk: training goes on
            return shorten(str(error) or type(error).__name__, 500)
        return ""

"""The working copy of a remote run: a local folder that is downloaded, used and uploaded.

Below the cache folder, each URL has a folder `remote/NAME-HASH/`:

NAME/         the working copy: a run directory as any other
NAME.aside/   an earlier one, if both it and the remote run had changed
.files.json   which files are the same here and there
.config/      the config of the remote run, where only that was needed
"""

import contextlib
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxens.data.settings import default_cache
from jaxens.errors import UserError
from jaxens.files import lock, partial_path
from jaxens.names import file_name
from jaxens.runs.listing import (
    CONFIG,
    WHOLE,
    Same,
    State,
    is_same,
    is_whole,
    local_files,
    order,
    read_known,
    same_files,
    unchanged_files,
    without_unfinished,
    write_known,
)
from jaxens.runs.remote import Remote, RemoteFile
from jaxens.urls import is_url

log = logging.getLogger(__name__)

WAIT = 600.0  # seconds for another process that downloads or uploads the same run


class WorkingCopy:
    """The local folder of a remote run.

    Args:
        url: The URL of the run.

    Attributes:
        folder: The local folder, which may not exist yet.
        remote: The files below the URL.
    """

    def __init__(self, url: str):
        self.remote = Remote(url)
        name = file_name(self.remote.url.rpartition("/")[2])
        key = hashlib.sha256(self.remote.url.encode(errors="surrogatepass")).hexdigest()[:12]
        self._home = default_cache() / "remote" / f"{name}-{key}"
        self._known = self._home / ".files.json"  # no name of a run begins with a dot
        self.folder = self._home / name

    def begin(self) -> None:
        """Checks that a new run can be made here and there.

        Raises:
            UserError: If it can't.
        """
        url = self.remote.url
        there = self.remote.files()
        if CONFIG in there:
            raise UserError(f"{url} exists: choose another `out`, or add `resume` to continue it")
        if there:
            raise UserError(
                f"{url} has no {CONFIG} and is not empty: choose another `out`, or remove what an "
                "upload that was cut off has left there"
            )
        if self.folder.exists():
            raise UserError(
                f"{url} is empty, but its working copy {self.folder} is not: add `resume` to "
                "continue that and upload it, or remove it"
            )
        with self._locked():
            write_known(self._known, {})

    def config(self) -> Path | None:
        """Fetches the config of the run alone, and returns its path; None if there is no run."""
        path = self._home / ".config" / CONFIG
        with self._locked():
            if CONFIG in self.remote.files():
                path.parent.mkdir(exist_ok=True)
                partial = partial_path(path)
                self.remote.get(CONFIG, partial)
                partial.replace(path)
                return path
        own = self.folder / CONFIG
        return own if own.is_file() else None

    def pull(self) -> None:
        """Downloads what has changed there, if there is no working copy or it is older.

        If both have changed, the remote run is the newer one: another machine went on with it.
        The working copy is put aside then.

        Raises:
            UserError: If there is no run, or it can't be read.
        """
        with self._locked():
            if self._is_trained():  # by another process, which has the newest state
                return
            known = read_known(self._known)
            files, pending = known["files"], known["pending"]
            there = without_unfinished(self.remote.files())
            local = local_files(self.folder)
            if is_whole(local) and is_same(there, files, pending):
                return
            if not is_whole(there):
                if is_whole(local):  # removed there: all of it is to be uploaded
                    write_known(self._known, {})
                    return
                raise UserError(
                    f"{self.remote.url} is not a run (it has no {CONFIG}): name one that "
                    "python -m jaxens.train has written"
                )
            if set(local) - unchanged_files(local, files):
                self._put_aside()
            self._download(there, files)

    def push(self) -> None:
        """Uploads the files that have changed, then removes at the URL those removed locally.

        Raises:
            UserError: If it can't.
        """
        with self._locked():
            known, local = read_known(self._known), local_files(self.folder)
            if not is_whole(local):  # removed, or not there yet
                return
            changed = sorted(set(local) - unchanged_files(local, known["files"]), key=order)
            gone = {*known["files"], *known["pending"]} - set(local)
            if not changed and not gone:
                return
            write_known(self._known, known["files"], [*changed, *gone])
            for name in changed:
                try:
                    self.remote.put(self.folder / name, name)
                except UserError:
                    if (self.folder / name).exists():
                        raise
            for name in sorted(gone, key=order, reverse=True):
                self.remote.remove(name)
            write_known(
                self._known,
                same_files(local, self.remote.files()),
                # Removed here while it was uploaded: the next time, it is removed there.
                [name for name in changed if not (self.folder / name).exists()],
            )

    def checkpoints(self) -> dict[str, State]:
        """Returns the state of a file of each checkpoint that is on disk: a new one changes it."""
        return {name: state for name, state in local_files(self.folder).items() if "/sums/" in name}

    def _download(self, there: Mapping[str, RemoteFile], files: Mapping[str, Same]) -> None:
        """Fetches files into a folder of their own first, so that an error changes nothing."""
        unchanged = unchanged_files(local_files(self.folder), files)
        wanted = [
            name
            for name, file in there.items()
            if name not in unchanged or files[name]["version"] != file.version
        ]
        size = sum(there[name].size for name in wanted)
        log.warning(f"{self.remote.url}: downloading {size / 1e6:,.1f} MB into {self.folder}")
        partial = partial_path(self.folder)
        try:
            for name in wanted:
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                self.remote.get(name, partial / name)
            for name in set(files) - set(there):
                (self.folder / name).unlink(missing_ok=True)
            # The file that says that this is a run comes last.
            for name in sorted(wanted, key=lambda name: name in WHOLE):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (partial / name).replace(self.folder / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        for at, _, _ in os.walk(self.folder, topdown=False):
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(at)
        write_known(self._known, same_files(local_files(self.folder), there))

    def _put_aside(self) -> None:
        aside = self.folder.with_name(f"{self.folder.name}.aside")
        shutil.rmtree(aside, ignore_errors=True)
        self.folder.rename(aside)
        log.warning(
            f"{self.remote.url} was changed by another machine: it is used, and the working copy, "
            f"which was not uploaded, is kept in {aside}"
        )

    def _is_trained(self) -> bool:
        """Returns whether another process trains the working copy."""
        if not self.folder.exists():
            return False
        try:
            lock(self.folder).close()
        except UserError:
            return True
        return False

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other processes of this machine from transfers of the same run."""
        until = time.monotonic() + WAIT
        while True:
            try:
                locked = lock(self._home)
                break
            except UserError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        with locked:
            yield


def local_run(run: str | os.PathLike[str]) -> Path:
    """Returns the local folder of a run; that of a URL is downloaded, unless it is here already.

    Raises:
        UserError: If there is none, or it can't be read.
    """
    if not is_url(run):
        return Path(run)
    copy = WorkingCopy(os.fspath(run))
    copy.pull()
    return copy.folder


def config_file(run: str) -> Path | None:
    """Returns the path of a run's config, which is fetched from a URL; None if there is no run."""
    if is_url(run):
        return WorkingCopy(run).config()
    path = Path(run) / CONFIG
    return path if path.is_file() else None


def upload(run: str | os.PathLike[str]) -> None:
    """Uploads what was written into the local folder of a URL; does nothing for a local run.

    Raises:
        UserError: If it can't. It says where the files are kept.
    """
    if not is_url(run):
        return
    copy = WorkingCopy(os.fspath(run))
    try:
        copy.push()
    except UserError as error:
        raise UserError(f"{error}; until then, the files are kept in {copy.folder}") from None

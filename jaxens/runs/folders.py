"""Checks whether a folder can become a run directory, or is one."""

import os
from pathlib import Path

from jaxens.errors import UserError
from jaxens.files import check_is_folder
from jaxens.names import encodable


def check_absent(folder: Path) -> None:
    """Checks that a new run can be created in a folder.

    Raises:
        UserError: If it can't.
    """
    check_path(folder)
    check_is_folder(folder)
    if (folder / "config.toml").exists():
        raise UserError(f"{folder} exists: choose another `out`, or add `resume` to continue it")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} exists and is not empty: choose another `out`")
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"`out` {folder}: {existing} can't be written: choose another folder")


def check_path(folder: Path) -> None:
    """Checks that checkpoints can be written below a folder.

    Orbax finds the parts of a checkpoint by a pattern that contains the path. With pattern
    characters in the path it finds none, and no checkpoint could be read again. TensorStore
    writes into paths in UTF-8 alone.

    Raises:
        UserError: If the path contains `*`, `?` or `[`, or is not UTF-8.
    """
    for path in (folder.absolute(), folder.resolve()):
        if encodable(str(path)) != str(path):
            raise UserError(
                f"`out` {folder}: checkpoints can't be written below {encodable(str(path))}, "
                "because its name is not UTF-8: choose another folder"
            )
        if wildcards := sorted(set("*?[") & set(str(path))):
            raise UserError(
                f"`out` {folder}: checkpoints can't be written below {path}, because its name has "
                f"{' '.join(wildcards)} in it: choose another folder"
            )


def check_present(folder: Path) -> None:
    """Checks that a folder is a run directory.

    Raises:
        UserError: If it is not.
    """
    if not (folder / "config.toml").is_file():
        raise UserError(
            f"{folder} is not a run directory (it has no config.toml): name one that "
            "python -m jaxens.train has written"
        )

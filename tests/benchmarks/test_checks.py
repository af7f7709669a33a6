"""Wrong settings raise an error before anything is measured."""

import errno
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jaxens.benchmarks import checks
from jaxens.errors import UserError

SMALL = {"model": "small", "image_size": 16, "batch_size": 2, "against": None}


def test_valid_settings_pass_and_create_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    checks.check("train", SMALL, folder)
    checks.check("train", SMALL, folder)  # again, into the same folder
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_a_file_or_unwritable_folder_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"`out` .*/file: it is a file: choose another folder$"):
        checks.check_folder(tmp_path / "file")
    with pytest.raises(UserError, match=r"`out` .*/deeper: .*/file is a file: choose another"):
        checks.check_folder(tmp_path / "file" / "deeper")

    def deny(**_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", deny)
    with pytest.raises(UserError, match=r"Permission denied: choose a folder that can be written"):
        checks.check_folder(tmp_path)


def without(*modules: str) -> Callable[[str], object]:
    """`importlib.import_module` as if these modules were not installed."""
    import_module = importlib.import_module

    def patched(name: str) -> object:
        if name in modules:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return import_module(name)

    return patched


def test_a_missing_package_is_named_with_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.importlib, "import_module", without("captum", "cv2"))
    checks.require("numpy")
    with pytest.raises(UserError, match=r"`against`: .* needs captum .*: pip install captum$"):
        checks.require("numpy", "captum")
    with pytest.raises(UserError, match=r"pip install opencv-python-headless$"):
        checks.check("input", {"against": "opencv"}, None)


def test_a_missing_shared_library_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> object:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(checks.importlib, "import_module", broken)
    with pytest.raises(UserError, match=r"\(libGL\.so\.1: cannot open shared object file\)"):
        checks.require("cv2")


@pytest.mark.parametrize(
    ("model", "least"), [("small", 2), ("small-vgg", 16), ("resnet18", 1), ("vgg16", 32)]
)
def test_a_too_small_image_raises_and_names_the_smallest_size(model: str, least: int) -> None:
    checks.check_image_size(model, least)
    if least > 1:
        message = rf"`image_size` {least - 1} is too small for {model}: choose at least {least}$"
        with pytest.raises(UserError, match=message):
            checks.check_image_size(model, least - 1)


def test_wrong_settings_create_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="too small"):
        checks.check("train", SMALL | {"image_size": 1}, tmp_path / "out")
    assert not (tmp_path / "out").exists()

"""The scripts and the Dockerfile pass their linters, which the extra `dev` installs."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [*sorted((ROOT / "launch").glob("*.sh")), ROOT / "launch" / "slurm.sbatch"]


@pytest.mark.parametrize(
    ("tool", "files"), [("shellcheck", SCRIPTS), ("hadolint", [ROOT / "launch" / "Dockerfile"])]
)
def test_a_linter_finds_nothing(tool: str, files: list[Path]) -> None:
    path = shutil.which(tool, path=sysconfig.get_path("scripts")) or shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    found = subprocess.run([path, *files], capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr, found.returncode) == ("", "", 0)

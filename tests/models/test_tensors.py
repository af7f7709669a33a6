"""Weight files in three formats: read as written, or refused in one line."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from jaxens.errors import UserError
from jaxens.models.tensors import read_tensors

TENSORS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "bn.num_batches_tracked": np.array(7),
}
PTH = pytest.param(".pth", marks=pytest.mark.reference)  # read and written by PyTorch
SUFFIXES = [".npz", ".safetensors", PTH]


def written(path: Path) -> Path:
    if path.suffix == ".pth":
        import torch

        torch.save({name: torch.from_numpy(tensor) for name, tensor in TENSORS.items()}, path)
    elif path.suffix == ".npz":
        np.savez(path, **TENSORS)
    else:
        safetensors.numpy.save_file(TENSORS, path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_tensors(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    tensors = read_tensors(written(tmp_path / f"weights{suffix}"))
    assert set(tensors) == set(TENSORS)
    for name, expected in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], expected)
        assert tensors[name].dtype == expected.dtype


@pytest.mark.reference
def test_pytorchs_bfloat16_and_transposed_tensors_are_read_as_float32(tmp_path: Path) -> None:
    import torch

    half = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
    torch.save({"half": torch.nn.Parameter(half), "turned": half.float().T}, tmp_path / "w.pth")
    tensors = read_tensors(tmp_path / "w.pth")
    expected = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(tensors["half"], expected)
    np.testing.assert_array_equal(tensors["turned"], expected.T)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    whole = written(path).read_bytes()
    rng = np.random.default_rng(0)
    contents = [
        *(whole[:length] for length in (0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 1)),
        rng.bytes(2000),
        b"\xff" * 8 + whole[8:],  # a header of 2^64 bytes
        b"<html>not found</html>\n" * 20,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 46827520\n",
    ]
    for content in contents:
        path.write_bytes(content)
        assert "can't be read" in refused(path)


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def hostile_zip(path: Path, value: object) -> None:
    """Writes an archive as `torch.save` and `np.savez` do, with any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value))
        archive.writestr("archive/version", "3\n")


PT = pytest.param(".pt", marks=pytest.mark.reference)


@pytest.mark.parametrize("suffix", [*SUFFIXES, PT])
@pytest.mark.parametrize("form", ["pickle", "zip", "npy", "npz"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(
    tmp_path: Path, suffix: str, form: str
) -> None:
    ran, path = tmp_path / "ran", tmp_path / f"weights{suffix}"
    hostile = {"conv.weight": Hostile(ran)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(hostile))
    elif form == "zip":
        hostile_zip(path, hostile)
    else:
        with path.open("wb") as file:
            array = np.array(Hostile(ran), dtype=object)
            np.save(file, array) if form == "npy" else np.savez(file, **{"conv.weight": array})
    refused(path)
    assert not ran.exists()


@pytest.mark.reference
def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "weights.pth"
    for value in (torch.ones(3), [torch.ones(3)], {"epoch": 3, "state_dict": {}}):
        torch.save(value, path)
        assert "it holds no state_dict()" in refused(path)


def test_what_is_not_an_array_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.npz", "w") as archive:
        archive.writestr("conv.weight", b"no array")
    assert "'conv.weight' is not an array" in refused(tmp_path / "weights.npz")
    (tmp_path / "weights.h5").write_bytes(b"weights")
    assert "is not .npz, .safetensors" in refused(tmp_path / "weights.h5")

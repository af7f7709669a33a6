"""`plan` prints what a training needs; every mistake is one line."""

import pytest

from jaxens.plan import main
from jaxens.training import planning, topology

pytestmark = pytest.mark.slow


@pytest.fixture
def small(flags):
    return [*flags, "--on", "cpu", "--classes", "3"]


def test_a_table_says_memory_work_steps_and_hours(small, capsys):
    main([*small, "--flops", "1e9"])
    printed = capsys.readouterr().out
    assert "2 small, batches of 8 images of 16 px, member=1,data=1 on 1 cpu" in printed
    for need in ("memory of a device", "FLOP of a step", "collectives", "hours, at least"):
        assert need in printed
    assert "steps 6 2 epochs" in " ".join(printed.split())
    assert "a bound by the roofline" in printed


def test_a_file_has_the_flags_of_a_training(small, tmp_path, capsys):
    file = tmp_path / "config.toml"
    file.write_text("[ensemble]\nmembers = 3\n[optim]\nepochs = 7\n")
    words = [word for word in small if word not in ("--members", "--epochs", "2")]
    main([*words, "--config", str(file)])
    printed = capsys.readouterr().out
    assert "3 small" in printed
    assert "7 epochs" in printed
    assert "give --flops of a device, and its --bandwidth" in printed


def test_nothing_is_drawn_or_opened(small, tmp_path, capsys):
    cache = tmp_path / "cache"
    main([*small, "--cache-dir", str(cache)])
    data = ["--data", "cub", "--data-dir", str(tmp_path / "absent"), "--images", "50"]
    main(["--image-size", "16", "--members", "2", "--on", "cpu", "--classes", "3", *data])
    assert not cache.exists()
    assert "12 epochs" in capsys.readouterr().out


def test_too_little_memory_ends_with_a_line_after_the_table(small, monkeypatch, capsys):
    monkeypatch.setattr(planning, "host_memory", lambda: 2**16)
    with pytest.raises(planning.UserError) as caught:
        main(small)
    message = "a device needs at least 0.0 GiB and has 0.0 GiB: lower --batch-size or --members"
    assert str(caught.value).startswith(message)
    assert "memory of a device" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--on", "v5e:4x4"], "--on v5e:4x4 needs the compiler for TPUs"),
        (["--on", "gpu"], "--on 'gpu' is not a device"),
        (["--flops", "0"], "--flops must be above 0"),
        (["--bandwidth", "-1"], "--bandwidth must be above 0"),
        (["--classes", "1"], "--classes must be at least 2"),
        (["--images", "0"], "--images must be at least 1"),
        (["--mesh", "member=3,data=1"], "--mesh member=3,data=1 needs 3 devices"),
        (["--mesh", "3"], "--mesh '3' is not a layout"),
        (["--train-from", "attic", "--weights", "w.npz"], "--train-from attic: small has no such"),
        (["--data", "cub"], "--data cub needs the folder"),
        (["--model", "vgg16", "--image-size", "16"], "--model vgg16 with --image-size 16"),
    ],
)
def test_a_mistake_is_one_line(small, words, message, monkeypatch):
    monkeypatch.setattr(topology, "find_spec", lambda name: None)
    with pytest.raises(planning.UserError) as caught:
        main([*small, *words])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)

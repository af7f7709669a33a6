"""Checkpoints are restored bitwise; for a damaged one, the one before is used."""

import gc
import os
import shutil
import signal
import sys
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxens.errors import UserError
from jaxens.runs.checkpoints import Checkpoints
from jaxens.runs.orbax_keeping import OLD
from jaxens.runs.orbax_messages import hide_abandoned_reads


def state(value):
    rng = np.random.default_rng(value)
    return {
        "weights": jnp.asarray(rng.normal(size=(3, 400)), jnp.float32),
        "count": jnp.full(3, value),
    }


LIKE = jax.eval_shape(lambda: state(0))


def saved(folder, scores):
    checkpoints = Checkpoints(folder)
    for epoch, score in enumerate(scores, start=1):
        checkpoints.save(epoch, state(epoch), score)
    checkpoints.wait()
    checkpoints.close()
    return Checkpoints(folder)


def largest_file(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)


def cut(file):
    file.write_bytes(file.read_bytes()[:100])


def test_the_last_two_and_the_best_are_kept(tmp_path):
    checkpoints = saved(tmp_path, [0.1, 0.9, 0.3, 0.2, 0.4])
    assert sorted(int(p.name) for p in tmp_path.iterdir()) == [2, 4, 5]
    assert checkpoints.latest(LIKE)[0] == 5
    epoch, best = checkpoints.best(LIKE)
    assert epoch == 2
    for name, leaf in state(2).items():
        np.testing.assert_array_equal(best[name], leaf)


def test_an_old_checkpoint_leaves_its_place_at_once_and_whole(tmp_path, tmp_path_factory):
    """Then a kill during the deletion can't leave half of a checkpoint in its place."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "old"
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2, 3):
        checkpoints.save(epoch, state(epoch), epoch)
        checkpoints.wait()
    assert checkpoints.epochs() == [3, 2]
    shutil.copytree(tmp_path / OLD, elsewhere)
    assert Checkpoints(elsewhere).latest(LIKE)[0] == 1
    (tmp_path / OLD / "3").mkdir()  # of a run that was killed, and trains this epoch again
    (tmp_path / OLD / "3" / "half").touch()
    for epoch in (4, 5):
        checkpoints.save(epoch, state(epoch), epoch)
        checkpoints.wait()
    assert [path.name for path in (tmp_path / OLD).iterdir()] == ["3"]
    checkpoints.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["4", "5"]


@pytest.mark.parametrize("damage", [flip, cut, lambda file: file.unlink()])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, damage, caplog):
    checkpoints = saved(tmp_path, [0.1, 0.2, 0.3])
    damage(largest_file(tmp_path / "3"))
    epoch, latest = checkpoints.latest(LIKE)
    assert epoch == 2
    np.testing.assert_array_equal(latest["weights"], state(2)["weights"])
    assert f"{tmp_path / '3'} is damaged" in caplog.text
    assert checkpoints.best(LIKE)[0] == 2
    assert checkpoints.chosen == "epoch 2, not the best"


@pytest.mark.parametrize("damage", ["each bit", b"", b"{", b"[]", b'{"contents": 3, "crc32": 3}'])
def test_a_damaged_score_never_makes_another_checkpoint_the_best(tmp_path, damage, caplog):
    saved(tmp_path, [0.5, 0.25])
    file = tmp_path / "1" / "sums" / "metadata"
    whole = file.read_bytes()
    changed = [damage]
    if damage == "each bit":
        places = range(whole.index(b"score"), whole.index(b"score") + 13)
        changed = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in places]
    for content in changed:
        caplog.clear()
        file.write_bytes(content)
        checkpoints = Checkpoints(tmp_path)
        assert checkpoints.best(LIKE)[0] == 2
        assert checkpoints.chosen == "epoch 2, not the best"
        assert f"{tmp_path / '1'} is damaged (its score can't be read)" in caplog.text
    file.write_bytes(whole)
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.best(LIKE)[0] == 1
    assert checkpoints.chosen == "epoch 1, the best"


def test_a_checkpoint_that_does_not_fit_the_config_is_named_with_the_first_difference(
    tmp_path, caplog
):
    checkpoints = saved(tmp_path, [0.1, 0.2])
    message = rf"{tmp_path / '2'} does not fit config.toml: "
    more = jax.eval_shape(lambda: state(0) | {"weights": jnp.zeros((4, 400))})
    with pytest.raises(UserError, match=message + r"weights is float32\[3, 400\], .*32\[4, 400\]"):
        checkpoints.latest(more)
    with pytest.raises(UserError, match=message + r"bias is absent, and .* float32\[3\]"):
        checkpoints.best(jax.eval_shape(lambda: state(0) | {"bias": jnp.zeros(3)}))
    assert caplog.text == ""


@pytest.mark.parametrize("piece", ["d", "ocdbt.process_0/d", "ocdbt.process_0", "manifest.ocdbt"])
def test_a_missing_piece_of_a_checkpoint_is_one_line(tmp_path, piece, caplog, capfd):
    checkpoints = saved(tmp_path, [0.1, 0.2])
    path = tmp_path / "2" / "state" / piece
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert checkpoints.latest(LIKE)[0] == 1
    gc.collect()  # which is when asyncio complains
    assert len(caplog.records) == 1
    assert capfd.readouterr() == ("", "")


def test_a_read_that_is_given_up_prints_nothing_from_the_moment_of_the_error(tmp_path, monkeypatch):
    printed: list[BaseException] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: printed.append(error.exc_value))
    hide_abandoned_reads.cache_clear()

    class LateRead:
        def __del__(self):
            raise RuntimeError("Event loop is closed")

    def give_up(*args, **kwargs):
        LateRead()
        raise ValueError("a piece is missing")

    checkpoints = saved(tmp_path, [0.1])
    checkpoints._read_contents(1)  # the list of arrays is whole
    monkeypatch.setattr(checkpoints._manager, "restore", give_up)
    with pytest.raises(UserError, match="no checkpoint can be read"):
        checkpoints.latest(LIKE)
    hide_abandoned_reads.cache_clear()
    assert printed == []


ON_MESH = [PartitionSpec("x"), PartitionSpec()]


@pytest.mark.parametrize("where", ["host", "device", *ON_MESH], ids=str)
def test_a_training_that_goes_on_changes_nothing_that_is_still_written(tmp_path, where):
    """The next steps reuse the buffers of the state, and nobody has copied them."""
    step = jax.jit(lambda leaf: leaf * 0 - 1, donate_argnums=0)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"weights": jnp.zeros(2)}, 0.5)
    large = jnp.arange(2.0**22)
    if where in ON_MESH:
        mesh = Mesh(np.array(jax.devices()[:2]), "x")
        large = jax.jit(jnp.copy, out_shardings=NamedSharding(mesh, where))(large)
    checkpoints.save(2, {"weights": jax.device_get(large) if where == "host" else large}, 0.5)
    for _ in range(3):
        large = step(large)
    assert checkpoints._manager.is_saving_in_progress()
    large.block_until_ready()
    checkpoints.wait()
    epoch, read = checkpoints.latest({"weights": jax.ShapeDtypeStruct((2**22,), jnp.float32)})
    assert epoch == 2
    np.testing.assert_array_equal(read["weights"], np.arange(2.0**22, dtype=np.float32))


def test_a_checkpoint_is_read_into_the_memory_of_the_host(tmp_path):
    checkpoints = saved(tmp_path, [0.1])
    for read in (checkpoints.latest(LIKE)[1], checkpoints.best(state(0))[1]):
        assert all(type(leaf) is np.ndarray for leaf in read.values())


def test_the_first_checkpoint_is_read_back(tmp_path):
    """Orbax merges by a pattern, which finds nothing in this folder."""
    checkpoints = Checkpoints(tmp_path / "a[x]")
    with pytest.raises(UserError, match=r"a\[x\]/1 can't be read back .*: train into another fold"):
        checkpoints.save(1, state(1), 0.5)
    checkpoints.close()


def test_without_a_readable_checkpoint_the_error_names_the_folder(tmp_path):
    checkpoints = saved(tmp_path, [0.1])
    cut(largest_file(tmp_path / "1"))
    with pytest.raises(UserError, match=rf"{tmp_path}: no checkpoint can be read"):
        checkpoints.latest(LIKE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_saving_is_handled_after_the_checkpoint_is_written(
    tmp_path, monkeypatch, number
):
    checkpoints = Checkpoints(tmp_path)
    save = checkpoints._manager.save

    def interrupted(*args, **kwargs):
        signal.raise_signal(number)
        return save(*args, **kwargs)

    monkeypatch.setattr(checkpoints._manager, "save", interrupted)
    # A process that a shell starts in the background ignores Ctrl-C.
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(1, state(1), 0.5)
    finally:
        signal.signal(number, before)
    checkpoints.close()
    assert Checkpoints(tmp_path).latest(LIKE)[0] == 1


@pytest.mark.parametrize("jump", [-(10**9), 10**9])
def test_a_clock_that_jumps_changes_no_order(tmp_path, monkeypatch, jump):
    clock = time.time
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state(1), 0.5)
    monkeypatch.setattr(time, "time", lambda: clock() + jump)
    checkpoints.save(2, state(2), 0.4)
    checkpoints.close()
    os.utime(tmp_path / "1", (0, 0))
    os.utime(tmp_path / "2", (10**10, 10**10) if jump < 0 else (1, 1))
    again = Checkpoints(tmp_path)
    assert again.latest(LIKE)[0] == 2
    assert again.best(LIKE)[0] == 1


class Two(NamedTuple):
    weights: jax.Array
    trunk: jax.Array | None = None


def test_a_field_that_is_none_is_neither_written_nor_read(tmp_path):
    """So a checkpoint that was written before the field existed can still be read."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"weights": jnp.arange(3.0)}, 0.5)
    checkpoints.save(2, Two(jnp.arange(4.0)), 0.4)
    checkpoints.wait()
    assert checkpoints.latest(Two(jnp.zeros(4)))[1].trunk is None
    epoch, best = checkpoints.best(Two(jnp.zeros(3)))
    assert epoch == 1
    np.testing.assert_array_equal(best.weights, np.arange(3))
    checkpoints.close()


def test_a_new_folder_has_no_checkpoint(tmp_path):
    assert Checkpoints(tmp_path / "new").latest(LIKE) is None

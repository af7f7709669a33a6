"""A run directory is read as it was written, and belongs to one process."""

import json
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jaxens.data.settings import Data
from jaxens.errors import UserError
from jaxens.names import file_name
from jaxens.runs import config as configs
from jaxens.runs.opened import Opened
from jaxens.runs.origin import Origin
from jaxens.runs.own_data import data_of, own_cache, own_data
from jaxens.runs.provenance import InitialWeights, environment
from jaxens.runs.run import Run
from jaxens.runs.weights import Weights
from jaxens.train import main as train
from tests.runs.small import CONFIG, INFO, SCORES, edit, refusal, update_checksums


def test_a_run_is_read_as_it_was_written(folder):
    run = Run.open(folder)
    assert (run.config, run.info) == (CONFIG, INFO)
    run.check_data(INFO, "0123")


@pytest.mark.parametrize("empty", [False, True])
def test_a_run_whose_directory_is_gone_is_not_continued_in_an_empty_one(tmp_path, empty):
    """As when a network share is unmounted."""
    run = Run.create(tmp_path / "run", CONFIG, INFO, data="0123")
    run.log(test=SCORES, diverged_at=[None] * 3)
    run.folder.rename(tmp_path / "elsewhere")
    if empty:
        run.folder.mkdir()
    with pytest.raises(UserError, match="run is gone: bring it back"):
        run.log(test=SCORES, diverged_at=[None] * 3)
    assert not (run.folder / "metrics.jsonl").exists()
    (tmp_path / "elsewhere").rename(run.folder)
    run.log(test=SCORES, diverged_at=[None] * 3)
    run.close()


def test_every_cut_of_the_config_is_refused(folder):
    """None is filled up with defaults."""
    whole = (folder / "config.toml").read_text()
    for end in range(0, len(whole) - 1, 7):
        (folder / "config.toml").write_text(whole[:end])
        assert str(folder / "config.toml") in refusal(folder)


def test_without_its_last_section_a_config_is_not_whole(folder):
    edit(folder, "config.toml", lambda text: text.split("[augment]", maxsplit=1)[0])
    assert "config.toml lacks flip of [augment]" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("config.toml", "members = 3", "members = 4"), ("info.json", "barred", "spotted")],
)
def test_a_file_that_was_changed_after_the_run_began_is_named(folder, name, old, new):
    edit(folder, name, lambda text: text.replace(old, new))
    assert f"{folder / name} was changed after the run began" in refusal(folder)


def test_class_names_that_are_not_those_of_the_data_are_refused(folder):
    rotated = json.dumps(["barred", "plain"])
    edit(folder, "info.json", lambda text: text.replace('["plain", "barred"]', rotated))
    update_checksums(folder)
    message = r'info.json differs from the data set: tasks\[0\].classes\[0\] is "barred", not "pla'
    with pytest.raises(UserError, match=message):
        Run.open(folder).check_data(INFO, "0123")


def test_a_strangers_fingerprint_of_weights_is_shown_short_and_escaped(folder):
    weights = {"from": "w.npz", "fingerprint": "\x1b[31m\n" * 1000}
    edit(
        folder, "provenance.json", lambda text: json.dumps(json.loads(text) | {"weights": weights})
    )
    with pytest.raises(UserError, match=r"other weights than .* started from") as caught:
        Run.open(folder).check_weights("0123")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_paths_that_are_not_utf_8_are_read_again_as_escapes(tmp_path, monkeypatch):
    """They are in the command, in the config, and where weights are from."""
    monkeypatch.setattr("sys.argv", ["train", "--out", "/runs/\udcff"])
    model = replace(CONFIG.model, weights="/w\udcfe.npz")
    config = replace(CONFIG, data=Data("folder", data_dir="/birds\udcff\udce9"), model=model)
    weights: InitialWeights = Weights(None, "4567").origin(model)
    run = Run.create(tmp_path / "run", config, INFO, data="0123", weights=weights)
    opened = Run.open(run.folder)
    assert opened.record["command"] == ["train", "--out", r"/runs/\xff"]
    assert opened.config.data.data_dir == r"/birds\xff\xe9"
    assert opened.record["weights"]["from"] == r"/w\xfe.npz"
    configs.check_same_config(opened.config, config, run.folder)
    run.close()
    monkeypatch.setattr("sys.argv", ["train", "--resume", "\udcff"])
    assert environment()["command"] == ["train", "--resume", r"\xff"]


def test_a_byte_order_mark_is_no_part_of_the_config(folder):
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert Run.open(folder).config == CONFIG


@pytest.mark.parametrize("character", "*?[")
def test_a_folder_below_a_pattern_is_refused_before_anything_is_written(tmp_path, character):
    folder = tmp_path / f"a{character}x]" / "run"
    with pytest.raises(UserError, match="checkpoints can't be written below"):
        Run.create(folder, CONFIG, INFO, data="0123")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_utf_8_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match=r"because its name is not UTF-8: choose another"):
        Run.create(tmp_path / "\udcfe" / "run", CONFIG, INFO, data="0123")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_ends_before_its_first_checkpoint_leaves_nothing(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, INFO, data="0123")
    assert run.close() == "nothing was saved, because no checkpoint was finished"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_start_left_is_removed_by_the_next(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leftover = tmp_path / f".run.{file_name(platform.node())}.{dead.pid}"
    leftover.mkdir()
    (leftover / "info.json").touch()
    run = Run.create(tmp_path / "run", CONFIG, INFO, data="0123")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    run.close()


def test_one_process_at_a_time_trains_a_run(tmp_path, folder):
    new = Run.create(tmp_path / "new", CONFIG, INFO, data="0123")
    with pytest.raises(UserError, match=f"another process writes into {new.folder}"):
        Run.resume(new.folder, CONFIG, INFO, "0123")
    new.close()
    first = Run.resume(folder, CONFIG, INFO, "0123")
    with pytest.raises(UserError, match=f"another process writes into {folder}"):
        Run.resume(folder, CONFIG, INFO, "0123")
    assert first.close() == f"{folder} is kept up to epoch 1: `resume` continues it"
    with pytest.raises(UserError, match=r"optim.epochs is 12, not 3"):
        Run.resume(folder, replace(CONFIG, optim=replace(CONFIG.optim, epochs=3)), INFO, "0123")
    Run.resume(folder, CONFIG, INFO, "0123").close()


def test_each_resume_is_in_the_provenance_and_other_cores_are_named(folder, monkeypatch, caplog):
    def resume():
        run = Run.resume(folder, CONFIG, INFO, "0123")
        run.continue_after(1)
        run.close()
        return json.loads((folder / "provenance.json").read_text())["resumed"]

    assert [resumed["after_epoch"] for resumed in resume()] == [1]
    assert caplog.text == ""
    monkeypatch.setattr("jaxens.runs.provenance._cores", lambda: 99)
    assert [resumed["cores"] == 99 for resumed in resume()] == [False, True]
    assert "99 now): from here on, numbers may differ in their last digits" in caplog.text
    Run.open(folder)


def test_data_are_prepared_nowhere_but_where_the_user_says(tmp_path):
    """The config of a run may be a stranger's."""
    config = replace(CONFIG, data=Data(cache_dir=str(tmp_path / "theirs")))
    run = Run.create(tmp_path / "run", config, INFO, data="0123")
    opened = Opened(run.folder, None, Origin.of_run(run), run)
    cache = config.data.cache_dir
    for named in (lambda: data_of(opened), lambda: own_cache(run.folder, cache)):
        with pytest.raises(UserError, match=r"config.toml names .*theirs .*: add `cache_dir`"):
            named()
    with pytest.raises(UserError, match=r"config.toml names .*theirs .*: add --cache-dir"):
        train(["--out", str(run.folder), "--resume"])
    assert not (tmp_path / "theirs").exists()
    run.close()


def test_a_folder_that_a_config_alone_names_is_not_read_without_a_word(tmp_path, caplog):
    settings = Data("folder", data_dir="/theirs", layout="/their.toml")
    own = own_data(tmp_path, vars(settings), Path("/ours"), layout=Path("/our.toml"))
    assert (own.data_dir, own.layout) == ("/ours", "/our.toml")
    assert caplog.text == ""
    assert own_data(tmp_path, vars(settings)) == settings
    config = tmp_path / "config.toml"
    assert f"the data set is read from /theirs, which {config} names" in caplog.text
    assert f"what the photos mean is read from /their.toml, which {config} names" in caplog.text


def test_a_config_with_all_keys_is_complete_without_its_empty_lists(tmp_path):
    (tmp_path / "config.toml").write_text(configs.to_toml(CONFIG))
    assert configs.load(tmp_path / "config.toml", complete=True) == CONFIG

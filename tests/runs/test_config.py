"""A config comes from TOML and flags, and a mistake names its key and the remedy."""

import argparse
from pathlib import Path

import pytest

from jaxens.errors import UserError
from jaxens.runs import config as configs
from jaxens.runs.config import Config, load

CONFIGS = Path(__file__).parents[2] / "configs"


def flags(*words):
    parser = argparse.ArgumentParser()
    configs.add_flags(parser)
    return vars(parser.parse_args(words))


def test_every_field_has_a_flag_of_its_own_and_a_help_text():
    parser = argparse.ArgumentParser()
    configs.add_flags(parser)  # argparse refuses a flag that two fields share
    given = [a for a in parser._actions if a.dest != "help"]
    fields = [f for s in vars(Config()).values() for f in vars(s)]
    assert len(given) == len(fields)
    assert all(action.help for action in given)


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[ensemble]\nmembers = 5\n[optim]\nepochs = 2\nlearning_rate = 1\n")
    config = load(file, flags("--epochs", "9", "--tasks", "species", "marks", "--flip", "no"))
    assert (config.ensemble.members, config.optim.epochs) == (5, 9)
    assert config.optim.learning_rate == 1.0
    assert config.data.tasks == ("species", "marks")
    assert config.augment.flip is False
    assert config.optim.batch_size == Config().optim.batch_size


def test_a_config_survives_being_written_and_read(tmp_path):
    config = load(None, flags("--members", "3", "--tasks", "species", "--task-weights", "0.5"))
    (tmp_path / "config.toml").write_text(config.to_toml())
    assert configs.from_toml(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--members", "0"], r"--members must be at least 1, not 0"),
        (["--members", "many"], r"--members must be a whole number, not 'many'"),
        (["--members", "2.5"], r"--members must be a whole number"),
        (["--diversity", "baging"], r"--diversity must be one of .*did you mean 'bagging'"),
        (["--model", "resnet"], r"--model must be one of .*resnet18"),
        (["--learning-rate", "0"], r"--learning-rate must be above 0"),
        (["--learning-rate", "nan"], r"--learning-rate must be a number"),
        (["--warmup", "1"], r"--warmup must be below 1"),
        (["--flip", "maybe"], r"--flip must be yes or no"),
        (["--task-weights", "a"], r"--task-weights must be a list of numbers"),
        (["--task-weights", "1", "2"], r"2 values for 0 --tasks"),
        (["--data", "cub"], r"add --data-dir"),
        (["--tasks", "a", "a"], r"names a task twice"),
        (["--tasks"], r"--tasks is empty"),
        (["--data-dir", "birds"], r"--data-dir is for --data cub"),
        (["--batch-size", "9", "--train-pictures", "8"], r"more than the 8 training pictures"),
        (["--tasks", "a", "--task-weights", "-1"], r"--task-weights must be 0 or more"),
        (["--seed", str(2**64)], r"--seed must be below"),
        (["--diversity", "leave-one-out", "--members", "1"], r"--members 2 or more"),
        (["--base", "frozen"], r"--base frozen needs a trunk: add --weights FILE"),
    ],
)
def test_an_impossible_flag_is_named_with_its_remedy(words, message):
    with pytest.raises(UserError, match=message):
        load(None, flags(*words))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optim]\nepoch = 3", r"mine.toml: key of \[optim\] 'epoch' is unknown: .*'epochs'"),
        ("[optimizer]\nepochs = 3", r"mine.toml: section 'optimizer' is unknown"),
        ("[optim]\nepochs = '3'", r"mine.toml: optim.epochs must be a whole number, not '3'"),
        ("[optim]\nepochs = true", r"optim.epochs must be a whole number"),
        ("[data]\ntasks = 'species'", r"data.tasks must be a list of texts"),
        ("optim = 3", r"optim is a section: write it as \[optim\]"),
        ("[optim\n", r"mine.toml is not valid TOML"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        load(file, {})


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_config_that_we_ship_is_valid(file):
    where = ["--data-dir", "somewhere"] if file.stem.startswith("cub") else []
    config = load(file, flags(*where))
    assert config.ensemble.members == 11


def test_the_embedded_config_is_the_default_spelled_out():
    assert load(CONFIGS / "fieldmarks.toml", {}) == Config()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no config file .*absent.toml"):
        load(tmp_path / "absent.toml", {})

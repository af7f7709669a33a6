"""A config is read from TOML and flags; a mistake is named with its key and what to do."""

from pathlib import Path
from typing import Annotated

import pytest

from jaxens.cli import parser
from jaxens.errors import UserError
from jaxens.models import MODELS
from jaxens.runs.config import file_values, load, to_toml
from jaxens.training.settings import Config, Model

CONFIGS = Path(__file__).parents[2] / "configs"


def parsed(*words, file=None):
    def command(*, settings: Annotated[Config, parser.FLAT] = Config()):
        return settings

    return parser.call(command, words, name="train", values=file and file_values(file))


def test_every_field_has_a_flag_and_a_help_text(capsys):
    parsed("--help")
    text = capsys.readouterr().out
    special = {"source": "data", "name": "model"}
    for section in vars(Config()).values():
        for name in vars(section):
            assert f"--{special.get(name, name).replace('_', '-')} " in text


def test_model_names_are_those_of_the_models():
    for name in MODELS:
        assert parsed("--model", name).model == Model(name)
    assert "--model. Choose from: " + ", ".join(f'"{name}"' for name in MODELS) in refusal(
        "--model", "resnet"
    )


def refusal(*words):
    with pytest.raises(UserError) as caught:
        parsed(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[ensemble]\nmembers = 5\n[optim]\nepochs = 2\nlearning_rate = 1\n")
    config = parsed("--epochs", "9", "--tasks", "species", "marks", "--no-flip", file=file)
    assert (config.ensemble.members, config.optim.epochs) == (5, 9)
    assert config.optim.learning_rate == 1.0
    assert config.data.tasks == ("species", "marks")
    assert config.augment.flip is False
    assert config.optim.batch_size == Config().optim.batch_size


def test_a_config_survives_being_written_and_read(tmp_path):
    config = parsed("--members", "3", "--tasks", "species", "--task-weights", "0.5")
    (tmp_path / "config.toml").write_text(to_toml(config))
    assert load(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--members", "0"], "--members must be at least 1, not 0"),
        (["--members", "many"], "value for --members: 'many' is not a whole number"),
        (["--members", "2.5"], "--members"),
        (["--member", "3"], "Unknown option: --member. Did you mean --members?"),
        (["--diversity", "baging"], 'Did you mean "bagging"?'),
        (["--learning-rate", "0"], "--learning-rate must be above 0"),
        (["--learning-rate", "-1"], "--learning-rate must be above 0"),
        (["--learning-rate", "nan"], "--learning-rate must be a finite number"),
        (["--warmup", "1"], "--warmup must be below 1"),
        (["--flip", "maybe"], "unexpected argument maybe"),
        (["--task-weights", "a"], "--task-weights"),
        (["--task-weights", "1", "2"], "2 values for 0 --tasks"),
        (["--data", "cub"], "add --data-dir"),
        (["--tasks", "a", "a"], "--tasks names one twice"),
        (["--data-dir", "birds"], "--data-dir is for --data cub"),
        (["--batch-size", "9", "--train-images", "8"], "more than the 8 training images"),
        (["--tasks", "a", "--task-weights", "-1"], "--task-weights must be at least 0"),
        (["--tasks", "a", "--task-weights", "inf"], "--task-weights must be a finite number"),
        (["--seed", str(2**64)], "--seed must be below"),
        (["--diversity", "leave-one-out", "--members", "1"], "--members 2 or more"),
        (["--members", "1000000000"], "--members must be at most 10,000, not 1,000,000,000"),
        (["--epochs", str(10**18)], "--epochs must be at most 1,000,000"),
        (["--batch-size", str(10**9)], "--batch-size must be at most 1,000,000"),
        (["--workers", "100000"], "--workers must be at most 1,024"),
        (["--image-size", "100000"], "--image-size must be at most 4,096"),
        (["--train-images", str(10**18)], "--train-images must be at most 10,000,000"),
        (["--base", "frozen"], "--base frozen needs a trunk: add --weights FILE"),
    ],
)
def test_an_impossible_flag_is_named_with_its_remedy(words, message):
    assert message in refusal(*words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optim]\nepoch = 3", r"mine.toml: key of \[optim\] 'epoch' is unknown: did you mean epo"),
        ("[optimizer]\nepochs = 3", r"mine.toml: section 'optimizer' is unknown"),
        ("[optim]\nepochs = 'many'", r"epochs.* from .*mine.toml: unable to convert \"many\""),
        ("[optim]\nepochs = 0", r"mine.toml: `epochs` must be at least 1, not 0"),
        ("[optim]\nepochs = true", r"mine.toml"),
        ("[data]\nsource = '''\n'''", r"mine.toml: `data` is not a data set"),
        ("[" * 10_000, r"mine.toml is"),
        ("[optim]\nepochs = " + "9" * 5000, r"mine.toml is not valid TOML"),
        ("optim = 3", r"optim is a section: write it as \[optim\]"),
        ("[optim\n", r"mine.toml is not valid TOML"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        load(file)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_config_of_the_repository_is_valid(file):
    data_dir = [] if file.stem.startswith("fieldmarks") else ["--data-dir", "somewhere"]
    assert parsed(*data_dir, file=file).ensemble.members == 11


def test_the_fieldmarks_config_spells_out_the_defaults():
    assert load(CONFIGS / "fieldmarks.toml") == Config()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no config file .*absent.toml"):
        load(tmp_path / "absent.toml")

"""The configuration of a run: frozen dataclasses; TOML and flags in, validated, printed back.

Every field is a flag of `jaxens.train` and a key of its section in a TOML file:
`[optim] batch_size = 32` and `--batch-size 32` are the same.
"""

import argparse
import dataclasses
import difflib
import math
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import tomli_w

from jaxens.errors import UserError
from jaxens.models import MODELS


def _field(default: Any, help: str, **rules: Any) -> Any:
    """A field with its help text and rules: `choices`, `least`, `below`, `flag`."""
    return dataclasses.field(default=default, metadata={"help": help, **rules})


@dataclasses.dataclass(frozen=True)
class Data:
    """pictures and labels"""

    source: Literal["fieldmarks", "cub"] = _field("fieldmarks", "data set", flag="data")
    dir: str = _field("", "folder that holds the data set (cub)", flag="data-dir")
    cache: str = _field(
        "", "folder for prepared data (default: $XDG_CACHE_HOME/jaxens)", flag="cache-dir"
    )
    image_size: int = _field(64, "side that pictures are resized to, pixels", least=16)
    crop: Literal["center", "box"] = _field(
        "center", "square cut out of a photo: its centre, or about the bounding box"
    )
    tasks: tuple[str, ...] = _field((), "tasks to learn (default: all of the data set)")
    train: int = _field(3200, "FieldMarks pictures to train on", least=1, flag="train-pictures")
    val: int = _field(300, "FieldMarks pictures to validate on", least=1, flag="val-pictures")
    test: int = _field(500, "FieldMarks pictures held out", least=1, flag="test-pictures")
    data_seed: int = _field(0, "seed of the FieldMarks pictures", least=0, below=2**32)
    resident: Literal["auto", "yes", "no"] = _field(
        "auto", "keep the training set on the device, or stream it (auto: if it fits)"
    )
    workers: int = _field(0, "processes that decode a streamed set (0: threads)", least=0)


@dataclasses.dataclass(frozen=True)
class Model:
    """the classifier, for one member"""

    name: str = _field("small", "architecture", choices=tuple(MODELS), flag="model")
    dtype: Literal["auto", "float32", "bfloat16"] = _field(
        "auto", "compute type (auto: float32 on CPU, bfloat16 elsewhere)"
    )
    weights: str = _field(
        "",
        "starting weights below the heads: a file of torchvision's tensors (.npz, .safetensors), "
        "or a run directory, for its first member's (default: random)",
    )


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """members, and what makes them differ"""

    members: int = _field(11, "networks in the ensemble", least=1)
    diversity: Literal["random-weights", "leave-one-out", "bagging"] = _field(
        "random-weights",
        "what differs between members; the last two add a member trained on all data",
    )
    base: Literal["own", "shared", "frozen"] = _field(
        "own",
        "the trunk below the heads: each member's own, one to start from shared by all, or that "
        "of --weights for all, which is not trained",
    )


@dataclasses.dataclass(frozen=True)
class Optim:
    """training"""

    epochs: int = _field(12, "passes over the training pictures", least=1)
    batch_size: int = _field(16, "pictures per member and step", least=1)
    optimizer: Literal["adamw", "sgd"] = _field("adamw", "Optax optimiser")
    learning_rate: float = _field(6e-3, "peak of the schedule", above=0.0)
    schedule: Literal["cosine", "constant"] = _field("cosine", "learning rate after the warm-up")
    warmup: float = _field(0.1, "part of the steps that the rate rises for", least=0.0, below=1.0)
    weight_decay: float = _field(
        1e-4, "weight decay (adamw: decoupled; sgd: added to the gradient)", least=0.0
    )
    task_weights: tuple[float, ...] = _field(
        (), "weights of the losses of --tasks, in their order (default: 1 each)"
    )
    seed: int = _field(0, "seed of weights, order, augmentation and dropout", least=0, below=2**32)


@dataclasses.dataclass(frozen=True)
class Augment:
    """random changes of training pictures, on the device"""

    flip: bool = _field(True, "mirror half of the pictures")
    zoom: float = _field(
        0.05, "largest part of a side that a crop leaves out", least=0.0, below=1.0
    )
    colour: float = _field(0.1, "largest change of brightness and contrast", least=0.0, below=1.0)


@dataclasses.dataclass(frozen=True)
class Config:
    """All that a run depends on."""

    data: Data = Data()
    model: Model = Model()
    ensemble: Ensemble = Ensemble()
    optim: Optim = Optim()
    augment: Augment = Augment()

    def to_toml(self) -> str:
        sections = {
            section: {name: value for name, value in keys.items() if value != ()}
            for section, keys in dataclasses.asdict(self).items()
        }
        return tomli_w.dumps(sections)


def load(path: Path | None, flags: Mapping[str, Any]) -> Config:
    """The defaults, a TOML file over them, and flags (a parser's namespace) over both.

    Raises `UserError` naming the file and key, or the flag, and the remedy.
    """
    config = Config() if path is None else _with(Config(), _read(path), str(path))
    for destination, text in flags.items():
        section, _, name = destination.partition(".")
        if name:
            field = next(f for f in _fields(config, section) if f.name == name)
            value = _checked(field, _parsed(field, text), f"--{_flag(field)}")
            config = _replaced(config, section, {name: value})
    return _consistent(config)


def from_toml(path: Path) -> Config:
    """The config that a run directory keeps."""
    return load(path, {})


def add_flags(parser: argparse.ArgumentParser, *only: str) -> None:
    """Adds a flag for every field (of the sections named), grouped as in the TOML file."""
    for section in dataclasses.fields(Config):
        if only and section.name not in only:
            continue
        group = parser.add_argument_group(section.name, section.type.__doc__)
        for field in _fields(Config(), section.name):
            group.add_argument(
                f"--{_flag(field)}",
                dest=f"{section.name}.{field.name}",
                metavar=_metavar(field),
                nargs="*" if _item_type(field) else None,
                default=argparse.SUPPRESS,
                help=_help(field),
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"no config file {path}: see configs/ for examples") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}: mend that line") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None


def _with(config: Config, sections: Mapping[str, Any], where: str) -> Config:
    """`config` with the keys of a TOML file put over it."""
    _known(sections, [f.name for f in dataclasses.fields(config)], f"{where}: section")
    for section, keys in sections.items():
        if not isinstance(keys, Mapping):
            raise UserError(f"{where}: {section} is a section: write it as [{section}]")
        fields = {f.name: f for f in _fields(config, section)}
        _known(keys, list(fields), f"{where}: key of [{section}]")
        values = {
            name: _checked(fields[name], value, f"{where}: {section}.{name}")
            for name, value in keys.items()
        }
        config = _replaced(config, section, values)
    return config


def _consistent(config: Config) -> Config:
    """Checks what one field alone can't tell."""
    if config.data.source == "cub" and not config.data.dir:
        raise UserError("the data set cub lies in a folder of yours: add --data-dir FOLDER")
    if config.data.source == "fieldmarks":
        if config.data.dir:
            raise UserError("--data-dir is for --data cub: add that, or leave --data-dir out")
        if config.optim.batch_size > config.data.train:
            raise UserError(
                f"--batch-size {config.optim.batch_size} is more than the {config.data.train} "
                "training pictures: choose a smaller one"
            )
    if config.ensemble.diversity == "leave-one-out" and config.ensemble.members < 2:
        raise UserError("--diversity leave-one-out needs --members 2 or more: one has no data")
    if config.ensemble.base == "frozen" and not config.model.weights:
        raise UserError(
            "--base frozen needs a trunk: add --weights FILE (torchvision's tensors, .npz or "
            ".safetensors) or --weights RUN (a run directory, from --members 1 say)"
        )
    weights, tasks = config.optim.task_weights, config.data.tasks
    if len(set(tasks)) < len(tasks):
        raise UserError(f"--tasks names a task twice ({', '.join(tasks)}): name each once")
    if weights and not (min(weights) >= 0 and max(weights) > 0):
        raise UserError("--task-weights must be 0 or more, and not all 0")
    if weights and len(weights) != len(tasks):
        raise UserError(
            f"--task-weights has {len(weights)} values for {len(tasks)} --tasks: "
            "name the tasks and give one weight for each"
        )
    return config


def _fields(config: Config, section: str) -> tuple[dataclasses.Field, ...]:
    return dataclasses.fields(getattr(config, section))


def _replaced(config: Config, section: str, values: Mapping[str, Any]) -> Config:
    part = dataclasses.replace(getattr(config, section), **values)
    return dataclasses.replace(config, **{section: part})


def _flag(field: dataclasses.Field) -> str:
    return field.metadata.get("flag", field.name.replace("_", "-"))


def _item_type(field: dataclasses.Field) -> Any:
    """The type of a tuple's items; None for a field that is no tuple."""
    return typing.get_args(field.type)[0] if typing.get_origin(field.type) is tuple else None


def _type(field: dataclasses.Field) -> Any:
    return str if typing.get_origin(field.type) is Literal else field.type


def _choices(field: dataclasses.Field) -> tuple[str, ...]:
    """What a field may be, where it has a closed set of names."""
    if typing.get_origin(field.type) is Literal:
        return typing.get_args(field.type)
    return field.metadata.get("choices", ())


def _metavar(field: dataclasses.Field) -> str:
    choices = ("yes", "no") if field.type is bool else _choices(field)
    return "{" + ",".join(choices) + "}" if choices else _flag(field).upper()


def _help(field: dataclasses.Field) -> str:
    text = field.metadata["help"]
    return text if field.default in ("", ()) else f"{text} (default: {_text(field.default)})"


def _text(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _known(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise UserError(f"{where} {key!r} is unknown: {remedy}")


def _parsed(field: dataclasses.Field, text: str | list[str]) -> Any:
    """A flag's text as a TOML file would hold it; what can't be converted stays text."""

    def convert(kind: Any, word: str) -> Any:
        if kind is bool:
            return {"yes": True, "true": True, "no": False, "false": False}.get(word.lower(), word)
        try:
            return kind(word)
        except ValueError:
            return word

    if isinstance(text, list):
        return [convert(_item_type(field), word) for word in text]
    return convert(_type(field), text)


def _checked(field: dataclasses.Field, value: Any, where: str) -> Any:
    """`value` in the field's type, or a `UserError` that says what it must be."""
    item = _item_type(field)
    if item:
        if value == [] and field.name == "tasks":
            raise UserError(f"{where} is empty: name at least one, or leave it out for all")
        if not isinstance(value, list) or not all(_is(item, v) for v in value):
            what = {str: "texts", float: "numbers"}[item]
            raise UserError(f"{where} must be a list of {what}, not {value!r}")
        return tuple(item(v) for v in value)
    kind, rules, choices = _type(field), field.metadata, _choices(field)
    if not _is(kind, value):
        raise UserError(f"{where} must be {_TYPE_NAMES[kind]}, not {value!r}")
    if choices and value not in choices:
        near = difflib.get_close_matches(value, choices, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise UserError(f"{where} must be one of {', '.join(choices)}, not {value!r}{hint}")
    if "least" in rules and not value >= rules["least"]:
        raise UserError(f"{where} must be at least {rules['least']}, not {value}")
    if "above" in rules and not value > rules["above"]:
        raise UserError(f"{where} must be above {rules['above']}, not {value}")
    if "below" in rules and not value < rules["below"]:
        raise UserError(f"{where} must be below {rules['below']}, not {value}")
    return kind(value)


_TYPE_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "yes or no"}


def _is(kind: Any, value: Any) -> bool:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))

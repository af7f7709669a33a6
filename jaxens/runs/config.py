"""Reads, writes and compares configs, which are TOML files."""

import dataclasses
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tomli_w
from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict

from jaxens.errors import UserError, remedy
from jaxens.names import encodable
from jaxens.training.settings import Config
from jaxens.untrusted import read_text


def load(path: Path, complete: bool = False, flags: Sequence[str] = ()) -> Config:
    """Returns the config of a TOML file; keys that it lacks keep their defaults.

    Args:
        path: The path of the file.
        complete: Whether the file must have all keys, as that of a run.
        flags: Flags of `jaxens.train`, which replace keys of the file.

    Raises:
        UserError: Names the file, the section and key, and what to do.
    """
    if complete:
        _check_complete(path)

    def read(*, config: Annotated[Config, Parameter(name="*")] = Config()) -> Config:
        return config

    app = App(config=[file_values(path)], result_action="return_value")
    app.default(read)
    try:
        return app(list(flags), exit_on_error=False, print_error=False)
    except (CycloptsError, UserError) as error:
        message = " ".join(str(error).split())
        raise UserError(message if str(path) in message else f"{path}: {message}") from None


def to_toml(config: Config) -> str:
    """Returns a config as TOML, without empty lists."""
    sections = {
        section: {name: value for name, value in keys.items() if value != ()}
        for section, keys in dataclasses.asdict(encodable_paths(config)).items()
    }
    return tomli_w.dumps(sections)


def encodable_paths(config: Config) -> Config:
    """Returns a config as a file has it: bytes of paths that are not UTF-8 are escapes."""
    data, model = config.data, config.model
    return replace(
        config,
        data=replace(
            data,
            data_dir=encodable(data.data_dir),
            layout=encodable(data.layout),
            cache_dir=encodable(data.cache_dir),
        ),
        model=replace(model, weights=encodable(model.weights)),
    )


def file_values(path: Path) -> Dict:
    """Returns the keys of a TOML file as values of the flags of `Config`, for cyclopts.

    Raises:
        UserError: If the file can't be read, or has unknown sections or keys.
    """
    sections = _read(path)
    values: dict[str, Any] = {}
    known = {field.name: field.type for field in dataclasses.fields(Config)}
    _check_known(sections, known, f"{path}: section")
    hints = get_type_hints(Config)
    for section, keys in sections.items():
        if not isinstance(keys, dict):
            raise UserError(f"{path}: {section} is a section: write it as [{section}]")
        fields = get_type_hints(hints[section], include_extras=True)
        _check_known(keys, fields, f"{path}: key of [{section}]")
        values |= {_flag(name, fields[name]): value for name, value in keys.items()}
    return Dict(values, source=str(path))


def _flag(name: str, hint: Any) -> str:
    """Returns the flag of a field, without its dashes."""
    for parameter in getattr(hint, "__metadata__", ()):
        if parameter.name:
            return parameter.name[0].removeprefix("--")
    return name


def check_same_config(expected: Config, config: Config, folder: Path) -> None:
    """Checks that two configs are the same, but for where the data are and how they are read.

    The data themselves are checked by their fingerprint.

    Args:
        expected: The config of the run.
        config: The config to continue it with.
        folder: The folder of the run, for the message.

    Raises:
        UserError: Names the first field in which the configs differ.
    """
    config = encodable_paths(config)
    free = {("data", name) for name in ("cache_dir", "workers", "resident", "data_dir", "layout")}
    for section in ("data", "model", "ensemble", "optim", "augment"):
        fields = vars(getattr(expected, section))
        for name, value in vars(getattr(config, section)).items():
            if (section, name) not in free and fields[name] != value:
                raise UserError(
                    f"{folder} has another config: its {section}.{name} is {fields[name]!r}, not "
                    f"{value!r}: use the same value, or choose another `out`"
                )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise UserError(f"no config file {path}: see configs/ for examples") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid TOML: {error}: correct that line") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply: write sections with keys") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: name a TOML file") from None


def _check_complete(path: Path) -> None:
    """Checks that no key is missing; empty lists are not written."""
    sections = _read(path)
    for section, keys in dataclasses.asdict(Config()).items():
        present = sections.get(section)
        for name, value in keys.items():
            if value != () and not (isinstance(present, dict) and name in present):
                raise UserError(
                    f"{path} lacks {name} of [{section}], so it is not the whole config of the "
                    "run: restore that file, or train again with another `out`"
                )


def _check_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"{where} {name!r} is unknown: {remedy(name, known)}")

"""Experiments that take seconds: those of the paper, on few and small images."""

import tomllib
from pathlib import Path

import tomli_w

from jaxens.reproduction.experiments import default_folder

IMAGES = {"image_size": 16, "train_images": 24, "val_images": 6, "test_images": 12}


def write(folder: Path, names: tuple[str, ...]) -> Path:
    """Writes some of the paper's experiments, with tiny stand-ins, and returns the folder."""
    (folder / "stand-in").mkdir(parents=True)
    for name in names:
        values = tomllib.loads((default_folder() / f"{name}.toml").read_text())
        evaluation = values["stand-in"].get("evaluation", {})
        if evaluation:
            evaluation["methods"] = ["saliency"]
        for config in values["stand-in"].get("ensembles", {}).values():
            write_config(folder, config, evaluation["tasks"][0])
        (folder / f"{name}.toml").write_text(tomli_w.dumps(values))
    return folder


def write_config(
    folder: Path,
    name: str,
    task: str,
    *,
    attributes: str = "independent",
    model: str = "small",
    weights: str = "",
) -> None:
    """Writes the config of a tiny ensemble."""
    config = {
        "data": IMAGES | {"tasks": [task], "attributes": attributes},
        "model": {"name": model, "weights": weights},
        "ensemble": {"members": 2},
        "optim": {"epochs": 2, "batch_size": 8},
    }
    (folder / "stand-in" / f"{name}.toml").write_text(tomli_w.dumps(config))

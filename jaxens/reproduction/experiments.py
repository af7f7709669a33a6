"""Reads the experiments: what the paper reports, and how jaxens repeats it.

An experiment is a TOML file: `table-1.toml` is the experiment `table-1`. It has the paper's
numbers and two settings: the real data, and the stand-in that needs no download. The configs of
the ensembles are in the folders `real` and `stand-in` next to it. They are configs of
`python -m jaxens.train`, too.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from jaxens.errors import UserError, remedy
from jaxens.runs.records import check
from jaxens.untrusted import read_text

SETTINGS = ("real", "stand-in")
Kind = Literal["scores", "sizes", "auc"]
Direction = Literal["better", "worse", "equal"]
_OF_IMAGES = ("limit", "explain", "on", "parts", "attributes")
_OF_QUESTIONS = ("methods", "tasks")


class Row(TypedDict):
    """A row of a table of the paper: a method by a metric.

    The significance is that of `stars` or of a p-value `p`; both are missing where the paper has
    no test. The numbers are missing where it only says in words whether the ensemble is better:
    then `direction` is there.
    """

    method: str
    metric: str
    diversity: NotRequired[str]
    ind_avg: NotRequired[float]
    ens_avg: NotRequired[float]
    stars: NotRequired[Literal["", "**", "****"]]
    p: NotRequired[float]
    direction: NotRequired[Direction]


class Paper(TypedDict):
    """What the paper says about an experiment, and what we chose where it is silent."""

    section: str
    data: str
    model: str
    result: str
    test: str
    silent: list[str]
    rows: list[Row]


class EvaluationValues(TypedDict, total=False):
    """How the ensembles of an experiment are explained: flags of `python -m jaxens.evaluate`."""

    methods: list[str]
    tasks: list[str]
    limit: int
    explain: Literal["label", "prediction"]
    on: str
    parts: list[str]
    attributes: Literal["species", "independent"]
    steps: int
    shap_samples: int
    lime_samples: int


class SettingValues(TypedDict):
    """How an experiment is repeated; with `like`, it shares ensembles and evaluation."""

    like: NotRequired[str]
    ensembles: NotRequired[dict[str, str]]
    evaluation: NotRequired[EvaluationValues]
    command: str
    hardware: str
    time: str
    differences: list[str]
    discussion: str


# A call, because "stand-in" is not a name.
ExperimentValues = TypedDict(
    "ExperimentValues",
    {
        "title": str,
        "question": str,
        "kind": Kind,
        "paper": Paper,
        "real": SettingValues,
        "stand-in": SettingValues,
    },
)


@dataclass(frozen=True)
class Setting:
    """How an experiment is repeated, on real data or on the stand-in.

    Attributes:
        ensembles: The paths of the ensembles' configs, by what makes members differ.
        evaluation: How the ensembles are explained.
        evaluated_by: The name of the experiment whose evaluation it is: several tables show
            different scores of one evaluation.
        command: The command that runs the experiment.
        hardware: The machine that it takes.
        time: The time to expect.
        differences: How it differs from the paper.
        discussion: Where and why its results differ from the paper's.
    """

    ensembles: Mapping[str, Path]
    evaluation: EvaluationValues
    evaluated_by: str
    command: str
    hardware: str
    time: str
    differences: Sequence[str]
    discussion: str

    def of_images(self) -> dict[str, Any]:
        """Returns the part of the evaluation that says which images are explained."""
        return {k: _hashable(v) for k, v in self.evaluation.items() if k in _OF_IMAGES}

    def of_methods(self) -> dict[str, Any]:
        """Returns the part of the evaluation that says how the methods are run."""
        others = (*_OF_IMAGES, *_OF_QUESTIONS)
        return {k: v for k, v in self.evaluation.items() if k not in others}


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper.

    Attributes:
        name: The name, as in `table-1`.
        title: The heading.
        question: What the experiment asks.
        kind: What is compared: scores of maps, scores by the size of the ensemble, or areas
            under the ROC curve.
        paper: What the paper says.
        setting: How the experiment is repeated.
    """

    name: str
    title: str
    question: str
    kind: Kind
    paper: Paper
    setting: Setting


def read_experiments(
    names: Sequence[str] = (), *, stand_in: bool = False, folder: Path | None = None
) -> list[Experiment]:
    """Returns the experiments of these names.

    Args:
        names: The names (default: all, in the order of the paper).
        stand_in: Whether to read the settings of the stand-in, or else those of the real data.
        folder: The folder of the experiments (default: those of the paper).

    Raises:
        UserError: If there is no such experiment, or a file can't be used.
    """
    folder = folder or default_folder()
    known = {path.stem: path for path in sorted(folder.glob("*.toml"), key=_place)}
    if not known:
        raise UserError(f"{folder} has no experiments: name a folder with one TOML file for each")
    for name in names:
        if name not in known:
            raise UserError(f"there is no experiment {name}: {remedy(name, known)}")
    values = {name: _read(path) for name, path in known.items()}
    setting = SETTINGS[stand_in]
    return [
        Experiment(
            name,
            values[name]["title"],
            values[name]["question"],
            values[name]["kind"],
            values[name]["paper"],
            _setting(name, values, setting, folder),
        )
        for name in dict.fromkeys(names or known)
    ]


def default_folder() -> Path:
    """Returns the folder of the paper's experiments: in the installed package, or the checkout."""
    installed = Path(__file__).parent / "paper"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs" / "paper"


def _place(path: Path) -> tuple[bool, str]:
    """Sorts tables before what has no number in the paper's tables."""
    return not path.stem.startswith("table"), path.stem


def _read(path: Path) -> ExperimentValues:
    try:
        values = tomllib.loads(read_text(path))
        check(values, ExperimentValues)
        for row in values["paper"]["rows"]:
            if ("ind_avg" in row) != ("ens_avg" in row) or ("ind_avg" in row) == (
                "direction" in row
            ):
                raise ValueError(
                    f"the row {row['method']} needs both ind_avg and ens_avg, or direction alone"
                )
    except ValueError as error:
        raise UserError(f"{path} can't be used: {error}: correct it") from None
    return values  # type: ignore[return-value]


def _setting(
    name: str, values: Mapping[str, ExperimentValues], setting: str, folder: Path
) -> Setting:
    """Returns a setting; `like` names the experiment whose ensembles and evaluation it shares."""
    setting_values: SettingValues = values[name][setting]  # type: ignore[literal-required]
    path = folder / f"{name}.toml"
    shared, evaluated_by = setting_values, name
    if "like" in setting_values:
        evaluated_by = setting_values["like"]
        if evaluated_by not in values:
            raise UserError(
                f"{path} can't be used: [{setting}] is like {evaluated_by}, which is not "
                f"an experiment: {remedy(evaluated_by, values)}"
            )
        shared = values[evaluated_by][setting]  # type: ignore[literal-required]
    if "ensembles" not in shared or "evaluation" not in shared:
        raise UserError(
            f"{path} can't be used: [{setting}] lacks ensembles and evaluation: add both, or "
            "like = with the name of an experiment that has them"
        )
    return Setting(
        {key: folder / setting / f"{name}.toml" for key, name in shared["ensembles"].items()},
        shared["evaluation"],
        evaluated_by,
        setting_values["command"],
        setting_values["hardware"],
        setting_values["time"],
        setting_values["differences"],
        setting_values["discussion"],
    )


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

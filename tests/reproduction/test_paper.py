"""The experiments state what the paper does: its numbers, copied from its tables a second time."""

import re
import tomllib

import pytest

from jaxens.attribution import METHODS
from jaxens.data.registry import SOURCES
from jaxens.errors import UserError
from jaxens.metrics import METRICS
from jaxens.reproduction.experiments import default_folder, read_experiments
from jaxens.reproduction.session import Session, base_of, source_of
from jaxens.reproduction.watch import Watch

# Method, Ind-Avg, Ens-Avg; in Table 6 intersections, then unions; in Table 7 K-fold, bagging.
TABLES = {
    "table-1": """
        GradCAM 0.395 0.328****
        Input gradient 0.331 0.320****
        Gradient SHAP 0.346 0.334****
        Integrated Gradients 0.346 0.334****
        Saliency 0.328 0.322**
    """,
    "table-2": """
        GradCAM 0.236 0.216****
        Input gradient 0.315 0.300****
        Gradient SHAP 0.320 0.309****
        Integrated Gradients 0.330 0.313****
        Saliency 0.313 0.309**
    """,
    "table-3": """
        GradCAM 0.207 0.256****
        Input gradient 0.263 0.324****
        Gradient SHAP 0.263 0.315****
        Integrated Gradients 0.265 0.312****
        Saliency 0.218 0.337****
    """,
    "table-4": """
        GradCAM 0.157 0.142****
        Input gradient 0.153 0.145****
        Gradient SHAP 0.152 0.146****
        Integrated Gradients 0.152 0.146****
        Saliency 0.158 0.147****
    """,
    "table-5": """
        GradCAM 0.17 0.19****
        Integrated Gradients 0.04 0.05****
        Saliency 0.03 0.04****
        LIME 0.11 0.13****
    """,
    "table-6": """
        GradCAM 1344.82 1668.59 7968.59 8602.46
        LIME 904.44 999.31 8262.70 7897.76
        Integrated Gradients 95.20 118.46 3470.67 3463.11
        Saliency 150.01 174.93 3574.14 3556.70
    """,
    "table-7": """
        Guided GradCAM 0.169 0.153** 0.157
        GradCAM 0.297 0.273** 0.277
        Integrated Gradients 0.278 0.217** 0.219
        Saliency 0.280 0.222** 0.225
        Input gradient 0.293 0.241** 0.243
        Gradient SHAP 0.278 0.218** 0.219
    """,
}
SCORES = {1: "distance", 2: "distance", 3: "correlation", 4: "distance", 5: "iou", 7: "distance"}
NAMES = {
    "GradCAM": "grad_cam",
    "Guided GradCAM": "guided_grad_cam",
    "Input gradient": "input_x_gradient",
    "Gradient SHAP": "gradient_shap",
    "Integrated Gradients": "integrated_gradients",
    "Saliency": "saliency",
    "LIME": "lime",
}
COUNTS = {
    "table-1": ("4,763", "530", "2,322", "3 bill lengths"),
    "table-2": ("4,763", "530", "2,322", "3 bill lengths"),
    "table-3": ("12,221", "2,156", "594", "6 wing patterns"),
    "table-4": ("12,221", "2,156", "594", "6 wing patterns"),
    "table-5": ("2,594", "5 masks"),
    "table-6": ("2,594", "5 masks"),
    "table-7": ("10 folds", "10 bootstrap samples"),
    "figure-5": ("2,594",),
    "auc": ("2,594",),
}
EXPERIMENTS = {experiment.name: experiment for experiment in read_experiments()}
STAND_INS = {experiment.name: experiment for experiment in read_experiments(stand_in=True)}


def expected(table):
    """The rows of a table: method, metric, diversity, the two numbers, and the stars."""
    number = int(table.removeprefix("table-"))
    for line in TABLES[table].strip().splitlines():
        title, cells = re.fullmatch(r"\s*([A-Za-z ]+?) ([\d.* ]+)", line).groups()
        method, cells = NAMES[title], cells.split()
        values = [float(cell.rstrip("*")) for cell in cells]
        stars = ["*" * cell.count("*") or None for cell in cells]
        if number == 6:
            yield method, "intersection", None, values[0], values[1], None
            yield method, "union", None, values[2], values[3], None
        elif number == 7:
            yield method, "distance", "leave-one-out", values[0], values[1], stars[1]
            yield method, "distance", "bagging", values[0], values[2], stars[2]
        else:
            yield method, SCORES[number], None, values[0], values[1], stars[1]


def test_there_is_one_experiment_for_each_table_and_figure_in_the_order_of_the_paper():
    assert list(EXPERIMENTS) == [*(f"table-{i}" for i in range(1, 8)), "auc", "figure-5"]


@pytest.mark.parametrize("table", TABLES)
def test_the_numbers_are_those_of_the_paper(table):
    optional = ("diversity", "ind_avg", "ens_avg", "stars")
    rows = [
        (row["method"], row["metric"], *(row.get(name) for name in optional))
        for row in EXPERIMENTS[table].paper["rows"]
    ]
    assert sorted(rows, key=str) == sorted(expected(table), key=str)


def test_the_auc_is_that_of_the_paper_and_figure_5_has_a_direction_alone():
    (row,) = EXPERIMENTS["auc"].paper["rows"]
    assert (row["ind_avg"], row["ens_avg"], row["p"]) == (0.82, 0.86, 0.03)
    rows = EXPERIMENTS["figure-5"].paper["rows"]
    assert {(row["metric"], row["direction"]) for row in rows} == {("iou", "better")}
    assert not any("ind_avg" in row for row in rows)


@pytest.mark.parametrize("name", COUNTS)
def test_the_counts_of_the_data_are_those_of_the_paper(name):
    for count in COUNTS[name]:
        assert count in EXPERIMENTS[name].paper["data"]


@pytest.mark.parametrize("experiments", [EXPERIMENTS, STAND_INS], ids=["real", "stand-in"])
@pytest.mark.parametrize("name", COUNTS)
def test_an_experiment_is_complete(name, experiments, tmp_path):
    """Every text is there, and every config of an ensemble can be used as it is."""
    experiment = experiments[name]
    setting, paper = experiment.setting, experiment.paper
    assert all((setting.command, setting.hardware, setting.time, setting.differences))
    assert all((experiment.title, experiment.question, paper["silent"], paper["result"]))
    assert f"jaxens.reproduce {name} " in setting.command
    session = Session(tmp_path, dict.fromkeys(SOURCES, str(tmp_path)), "", Watch())
    session.check_folders(experiment)
    diversities = {row.get("diversity", "random-weights") for row in paper["rows"]}
    assert set(setting.ensembles) == diversities
    for diversity, path in setting.ensembles.items():
        config = session.config(path)
        assert config.ensemble.diversity == diversity
        assert config.ensemble.members == (11 if diversity == "random-weights" else 10)
        assert config.data.tasks == tuple(setting.evaluation["tasks"])
        assert config.ensemble.base == "shared"
        if experiments is EXPERIMENTS:
            assert f"{source_of(path)}=FOLDER" in setting.command
            assert config.data.image_size == 224
        else:
            assert base_of(path) is not None
            assert config.data.attributes == "independent"
            assert config.data.image_size == 64
            assert config.data.test_images >= 300
            assert "limit" not in setting.evaluation
    for row in paper["rows"]:
        if experiment.kind != "auc":
            assert row["method"] in METHODS
            assert row["method"] in setting.evaluation["methods"]
            assert row["metric"] in METRICS


def test_stand_ins_are_discussed():
    for experiment in STAND_INS.values():
        assert len(experiment.setting.discussion) > 100, experiment.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "novel"}, "kind is .novel., not one of scores"),
        ({"extra": 1}, "unknown .extra."),
        ({"paper": {"rows": [{"method": "lime", "metric": "iou"}]}}, "lime needs both ind_avg"),
        ({"stand-in": {"like": "table-2"}}, "is like table-2, which is not an experiment"),
        ({"stand-in": {"ensembles": None}}, "lacks ensembles and evaluation"),
    ],
)
def test_a_mistake_in_an_experiment_is_one_line(tmp_path, change, message):
    import tomli_w

    values = tomllib.loads((default_folder() / "table-1.toml").read_text())
    for key, value in change.items():
        if isinstance(value, dict):
            values[key] = {k: v for k, v in (values[key] | value).items() if v is not None}
        else:
            values[key] = value
    (tmp_path / "table-1.toml").write_text(tomli_w.dumps(values))
    with pytest.raises(UserError, match=rf"table-1.toml can't be used: .*{message}"):
        read_experiments(stand_in=True, folder=tmp_path)


def test_an_unknown_experiment_is_named_with_the_nearest_one(tmp_path):
    with pytest.raises(UserError, match="no experiment tabel-1: did you mean table-1"):
        read_experiments(["tabel-1"])
    with pytest.raises(UserError, match="has no experiments"):
        read_experiments(folder=tmp_path)

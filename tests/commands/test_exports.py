"""The commands that read a run read an export, too; what it lacks is one line with the remedy."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxens.annotate import main as annotate
from jaxens.cli.console import console
from jaxens.errors import UserError
from jaxens.evaluate import main as evaluate
from jaxens.explain import main as explain
from jaxens.export import main as export
from jaxens.train import main as train
from tests.data.public import write_partimagenet

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_look")]

TINY = ["--image-size", "16", "--members", "2", "--epochs", "1", "--batch-size", "4"]
QUICK = ["--methods", "grad_cam"]


def printed(command, *words) -> str:
    with console.capture() as capture:
        command([*map(str, words)])
    return " ".join(capture.get().split())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "bird.png")
    return tmp_path / "bird.png"


@pytest.fixture(scope="module")
def of_fieldmarks(run, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "tiny"  # the name of the run
    printed(export, run.folder, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def birds(tmp_path_factory) -> Path:
    counts = {"train": 12, "val": 4, "test": 4}
    return write_partimagenet(tmp_path_factory.mktemp("data") / "birds", counts)


@pytest.fixture(scope="module")
def of_birds(birds: Path, tmp_path_factory) -> Path:
    """An export whose data set can be opened only if `--data-dir` names its folder."""
    root = tmp_path_factory.mktemp("exports")
    flags = ["--data", "partimagenet", "--data-dir", birds, "--cache-dir", root / "cache", *TINY]
    printed(train, *flags, "--out", root / "run")
    printed(export, root / "run", "--out", root / "export")
    shutil.rmtree(root / "run")
    return root / "export"


def test_an_export_names_no_folder_of_its_machine(of_birds: Path, birds: Path) -> None:
    texts = [(of_birds / name).read_text() for name in ("ensemble.json", "README.md")]
    assert not any(str(folder) in text for text in texts for folder in (birds, of_birds.parent))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (explain, ["bird.png", *QUICK, "--save-maps"]),
        (explain, ["--images", "2", "--methods", "gradient_shap"]),
        (annotate, ["bird.png", "--confidence", "0"]),
    ],
    ids=["explain a photo", "explain the data", "annotate a photo"],
)
def test_an_export_of_fieldmarks_gives_what_its_run_gives(
    run, of_fieldmarks: Path, photo: Path, tmp_path: Path, command, words: list[str]
) -> None:
    words = [str(photo) if word == photo.name else word for word in words]
    cache = ["--cache-dir", run.flags[-1]]
    texts = []
    for trained in (run.folder, of_fieldmarks):
        out = tmp_path / trained.parent.name
        texts.append(printed(command, trained, *words, *cache, "--out", out).split("figures:")[0])
        texts[-1] = texts[-1].replace("FieldMarks", "")
    assert texts[0] == texts[1]
    name = "annotations.json" if command is annotate else "explanation.json"
    one, other = (
        [path.read_text() for path in sorted((tmp_path / each).rglob(name))]
        for each in (run.folder.parent.name, of_fieldmarks.parent.name)
    )
    assert one == other
    assert one


@pytest.mark.long
def test_an_export_is_evaluated_on_its_data_and_on_others(
    run, of_fieldmarks: Path, birds: Path, tmp_path: Path
) -> None:
    cache = ["--cache-dir", run.flags[-1], *QUICK]
    for trained in (run.folder, of_fieldmarks):
        printed(evaluate, trained, *cache, "--out", tmp_path / trained.parent.name)
    tables = [tmp_path / each.parent.name / "tables.csv" for each in (run.folder, of_fieldmarks)]
    assert tables[0].read_text() == tables[1].read_text()
    assert not (tables[1].parent / "report.html").exists()
    there = ["--on", "partimagenet", "--data-dir", birds, "--parts", "bill=head", *cache]
    shown = printed(evaluate, of_fieldmarks, *there)
    settings = json.loads((of_fieldmarks / "evaluation-on-partimagenet/settings.json").read_text())
    assert settings["truth"] == ["head", "wing"]
    assert "trained on FieldMarks (fingerprint " in shown


def test_an_export_without_its_data_explains_and_annotates_photos(
    of_birds: Path, photo: Path, tmp_path: Path
) -> None:
    explained = printed(explain, of_birds, photo, *QUICK)
    assert "bird.png" in explained
    assert (of_birds / "explained-bird-wnid/grad_cam/members.png").exists()
    annotated = printed(annotate, of_birds, photo, "--confidence", "0", "--out", tmp_path / "out")
    assert "probabilities are not calibrated: --data-dir names" in annotated
    content = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert content["origin"]["probabilities"] == "not calibrated"


def test_what_needs_the_data_of_an_export_asks_for_their_folder(
    of_birds: Path, photo: Path
) -> None:
    commands = [
        (explain, QUICK),
        (explain, [photo, "--methods", "gradient_shap"]),
        (evaluate, QUICK),
        (annotate, []),
        (annotate, ["--measure", "grad_cam"]),
        (annotate, [photo, "--method", "gradient_shap"]),
    ]
    for command, words in commands:
        with pytest.raises(UserError) as caught:
            printed(command, of_birds, *words)
        assert str(caught.value) == (
            f"{of_birds} is an export, and lacks the images of its data set PartImageNet, which "
            "are needed: add --data-dir with their folder"
        )


def test_with_the_folder_of_its_data_an_export_does_what_needs_them(
    of_birds: Path, birds: Path, photo: Path, tmp_path: Path
) -> None:
    where = ["--data-dir", birds, "--cache-dir", tmp_path / "cache"]
    evaluated = printed(evaluate, of_birds, *where, *QUICK, "--out", tmp_path / "evaluated")
    assert "tables and figures: " in evaluated
    annotated = printed(annotate, of_birds, photo, *where, "--out", tmp_path / "annotated")
    assert "not calibrated" not in annotated


def test_other_data_than_those_of_an_export_are_refused(of_birds: Path, tmp_path: Path) -> None:
    other = write_partimagenet(tmp_path / "birds", {"train": 10, "val": 4, "test": 4})
    where = ["--data-dir", other, "--cache-dir", tmp_path / "cache"]
    with pytest.raises(UserError, match=r"was trained on other data \(fingerprint \w+, now \w+\)"):
        printed(evaluate, of_birds, *where, *QUICK)

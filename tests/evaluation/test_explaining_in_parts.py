"""Images that are explained in parts: the same results, drawn while others are explained."""

import io
import multiprocessing
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jaxens.data.photos import from_arrays
from jaxens.errors import UserError
from jaxens.evaluation import choose_targets, explain, explain_in_parts, save_parts
from jaxens.evaluation.provenance import provenance
from jaxens.evaluation.settings import Display, MethodSettings
from tests.evaluation.explained import IMAGES, LOGITS, PAIR, known_ensemble, known_photos
from tests.evaluation.known import KnownEnsemble

EACH = Display(images_per_figure=1)


@pytest.fixture
def ensemble():
    return known_ensemble()


@pytest.fixture
def subject(ensemble):
    return choose_targets(ensemble, known_photos(np.array([1, 0, -1, 0])))


def pixels(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image, int)


def contents(folder):
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize("limit", [None, 6])
@pytest.mark.parametrize("chosen", [{}, {"target": 1, "against": 2}])
def test_parts_have_the_maps_and_rows_of_all_at_once(ensemble, chosen, limit):
    settings = MethodSettings(member_images_at_once=limit)  # two images of three members
    photos = known_photos(np.array([1, 0, -1, 0]))
    at_once = explain(ensemble, photos, methods=PAIR, settings=settings, **chosen)
    calls = []
    parts = list(
        explain_in_parts(
            ensemble,
            choose_targets(ensemble, photos, **chosen),
            methods=PAIR,
            settings=settings,
            images_per_part=3,
            progress=lambda *call: calls.append(call),
        )
    )
    assert [len(part.table.rows) for part in parts] == [3, 1]
    for method in PAIR:
        maps = np.concatenate([part.maps[method] for part in parts], axis=1)
        np.testing.assert_array_equal(maps, at_once.maps[method])
    assert [row for part in parts for row in part.table.rows] == at_once.table.rows
    marks = [part.subject.marks for part in parts]
    for some, of_all in zip(zip(*marks, strict=True), at_once.subject.marks, strict=True):
        np.testing.assert_array_equal(np.concatenate(some), of_all)
    assert calls[-1] == ("explaining", 8, 8)
    done = [call[1] for call in calls]
    assert done == sorted(set(done))


def test_the_size_of_a_part_is_that_of_whole_figures():
    sizes = {1: 48, 5: 45, 12: 48, 25: 25, 100: 100}
    assert {size: Display(images_per_figure=size).images_per_part for size in sizes} == sizes


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_files_are_those_of_all_at_once(ensemble, subject, tmp_path, size, processes):
    described = provenance(ensemble, subject, PAIR, MethodSettings(), None, "run", "best")
    display, calls = Display(images_per_figure=size), []
    explain(ensemble, subject.photos, methods=PAIR).save(
        tmp_path / "at once", described, save_maps=True, display=display
    )
    save_parts(
        explain_in_parts(ensemble, subject, methods=PAIR, images_per_part=max(2, size)),
        tmp_path / "parts",
        described,
        save_maps=True,
        display=display,
        processes=processes,
        progress=lambda *call: calls.append(call),
    )
    at_once, parts = contents(tmp_path / "at once"), contents(tmp_path / "parts")
    assert at_once.keys() == parts.keys()
    for name, content in at_once.items():
        if name.endswith(".png"):  # the rounding of a center of mass may move a dot
            np.testing.assert_allclose(pixels(parts[name]), pixels(content), atol=3)
        else:
            assert parts[name] == content
    pages = len(PAIR) * 4 // size
    assert len(parts) == 3 * pages + 2 * len(PAIR)
    assert calls[-1] == ("drawing", pages, pages)


def test_the_model_is_checked_once(ensemble, subject, monkeypatch):
    checked = []
    monkeypatch.setattr(KnownEnsemble, "check", lambda *arguments: checked.append(arguments))
    assert len(list(explain_in_parts(ensemble, subject, methods=PAIR, images_per_part=1))) == 4
    assert len(checked) == 1


def test_images_of_a_part_are_named_in_warnings(ensemble, subject, caplog):
    ensemble.maps["saliency"][2, 3] = np.inf
    list(explain_in_parts(ensemble, subject, methods=["saliency"], images_per_part=2))
    assert caplog.text.count("is not finite for") == 1
    assert "Saliency of member 2 (0 to 2) is not finite for d: left out" in caplog.text


def test_a_member_that_gives_nan_is_named_once(ensemble, caplog):
    logits = LOGITS.copy()
    logits[0, 1] = np.nan
    subject = choose_targets(
        replace(ensemble, known_logits={"wing": logits}), from_arrays(IMAGES, list("abcd"))
    )
    parts = list(explain_in_parts(ensemble, subject, methods=PAIR, images_per_part=1))
    assert caplog.text.count("member 0 (0 to 2) gives NaN for b") == 1
    broken = [np.isnan(part.maps["saliency"]).all(axis=(1, 2, 3)).tolist() for part in parts]
    assert broken == [[False] * 3, [True, False, False], [False] * 3, [False] * 3]


@pytest.mark.slow
def test_pages_are_drawn_while_later_parts_are_explained(ensemble, subject, tmp_path):
    """The last part waits until the first page is drawn. It would wait for ever otherwise."""

    def parts():
        for part in explain_in_parts(ensemble, subject, methods=PAIR, images_per_part=1):
            if part.first == 3:
                wait = threading.Event()
                for _ in range(1200):  # until a test that fails has waited for minutes
                    if (tmp_path / "saliency" / "members-1-a.png").exists():
                        break
                    wait.wait(0.1)
                else:
                    pytest.fail("no page was drawn before the last part")
            yield part

    save_parts(parts(), tmp_path, display=EACH, processes=2)
    assert len(contents(tmp_path)) == 2 * 4 * 3


@pytest.mark.parametrize("save_maps", [False, True])
def test_maps_are_kept_only_for_the_file_of_all(ensemble, tmp_path, monkeypatch, save_maps):
    images = np.concatenate([IMAGES, IMAGES])
    made, most, drawn = [], 0, 0

    def parts():
        nonlocal most
        subject = choose_targets(ensemble, from_arrays(images))
        for part in explain_in_parts(ensemble, subject, methods=PAIR, images_per_part=1):
            made.append(weakref.ref(part.maps["saliency"]))
            most = max(most, sum(maps() is not None for maps in made))
            yield part
            del part

    def draw(_):
        nonlocal drawn
        drawn += 1

    monkeypatch.setattr("jaxens.viz.map_pages.save_page", draw)
    save_parts(parts(), tmp_path, display=EACH, save_maps=save_maps)
    assert drawn == 16
    assert most == (8 if save_maps else 2)


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_a_failure_ends_the_processes_and_leaves_whole_files(ensemble, subject, tmp_path, error):
    def parts():
        for part in explain_in_parts(ensemble, subject, methods=PAIR, images_per_part=1):
            if part.first == 3:
                assert len(multiprocessing.active_children()) == 2
                raise error
            yield part

    with pytest.raises(error):
        save_parts(parts(), tmp_path, display=EACH, processes=2, save_maps=True)
    assert not multiprocessing.active_children()
    files = contents(tmp_path)
    assert all(content.endswith(b"IEND\xaeB`\x82") for content in files.values())
    assert not any("-4-d" in name or name.endswith("npz") for name in files)


@pytest.mark.parametrize(
    ("size", "display", "message"),
    [
        (3, 2, "`images_per_figure` 2: a part begins with image 3, within a figure"),
        (0, 2, "images_per_part"),
    ],
)
def test_a_part_of_no_whole_figures_is_refused(ensemble, subject, tmp_path, size, display, message):
    parts = explain_in_parts(ensemble, subject, methods=["saliency"], images_per_part=size)
    with pytest.raises(UserError, match=message):
        save_parts(parts, tmp_path, display=Display(images_per_figure=display))

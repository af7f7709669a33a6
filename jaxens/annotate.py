"""Draws labeled arrows: what an ensemble sees in photos, where, and how sure its members are.

    python -m jaxens.annotate runs/fieldmarks photo.jpg

reads photos (without any, some images of the data set), finds the attributes that the ensemble
is sure of, and draws an arrow with a label to each.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jaxens.annotation.rules import Rules, StyleName
from jaxens.cli import parser
from jaxens.evaluation.settings import MethodName, MethodSettings
from jaxens.runs.choice import Choice

if TYPE_CHECKING:
    from jaxens.data.split import Split
    from jaxens.ensemble import Ensemble


def annotate(
    run: Path,
    /,
    *photos: Path,
    choice: Annotated[Choice, parser.FLAT] = Choice(),
    against: str | None = None,
    styles: Annotated[tuple[StyleName | Literal["all"], ...], parser.JOINED] = ("labeled_arrows",),
    formats: Annotated[tuple[Literal["png", "svg", "pdf"], ...], parser.JOINED] = ("png",),
    rules: Annotated[Rules, parser.FLAT] = Rules(),
    measure: Annotated[tuple[MethodName, ...], Parameter(show_default=False)] = (),
    settings: Annotated[MethodSettings, parser.FLAT] = MethodSettings(),
    out: Path | None = None,
) -> None:
    """Draw labeled arrows: what an ensemble sees in photos, where, and how sure its members are.

    Args:
        run: run directory that jaxens.train has written
        photos: files, or folders of files; the central square is taken
        against: a look-alike class: point at what tells the prediction from it
        styles: how an image is annotated, side by side, or all
        formats: of the figures
        measure: draw nothing, but measure how often arrows by these methods hit what they point at
        out: folder for the figures (default: RUN/annotated-...)
    """
    choice.check_unused(photos)

    from jaxens.annotation import STYLES, calibrate, save_annotations, typical
    from jaxens.annotation import annotate as find_marks
    from jaxens.annotation.files import check_folder
    from jaxens.cli.compilation import use_cache
    from jaxens.cli.console import say
    from jaxens.cli.progress import bar
    from jaxens.data.source import evenly_spaced, load
    from jaxens.evaluation.captions import name_of_photos
    from jaxens.evaluation.maps import background_images
    from jaxens.files import check_is_folder, output_folder
    from jaxens.names import file_name, shorten
    from jaxens.runs.loading import best_ensemble, data_of
    from jaxens.runs.photos import choose_photos
    from jaxens.runs.run import Run

    check_is_folder(out or run)
    use_cache()
    opened = Run.open(run)
    ensemble = best_ensemble(opened)
    opened.close()
    origin = {"run": run.resolve().name, "checkpoint": opened.checkpoints.chosen}
    with bar() as progress:
        data = data_of(opened, choice.data_dir, choice.cache_dir, progress)
        if measure:
            source = getattr(data, choice.split or "val")
            rows = evenly_spaced(choice.images or len(source), len(source))
            split, origin = load(source, progress, rows), origin | {"split": source.split}
            folder = output_folder(out and out / "arrows", run, "arrows")
            background = background_images(data.train, measure)
            return _measure(ensemble, split, background, measure, settings, folder, origin)
        chosen = choose_photos(opened, data, photos, choice)
        temperatures = calibrate(ensemble, load(data.val, progress))
        background = background_images(data.train, [rules.method])
        say(rules.describe())
        subject = name_of_photos(chosen.names) if photos else choice.name
        folder = output_folder(out, run, file_name(f"annotated-{subject}"))
        check_folder(folder, chosen.names, rules, **origin)  # before the work
        annotations = find_marks(
            ensemble,
            chosen.images,
            rules=rules,
            names=chosen.names,
            temperatures=temperatures,
            typical=typical(data.train.labels(), ensemble.tasks),
            against=against,
            settings=settings,
            background=background,
            progress=progress,
        )
    with bar() as progress:
        save_annotations(
            folder,
            annotations,
            rules,
            styles=list(STYLES) if "all" in styles else styles,
            formats=formats,
            picture=chosen.picture,
            progress=progress,
            **origin,
        )
    for annotation in annotations:
        say(f"{shorten(annotation.name)}: {shorten(annotation.prediction)}: {annotation.sentence}")
    say(f"figures: {folder}")


def _measure(
    ensemble: "Ensemble",
    held_out: "Split",
    background: Any,
    methods: Sequence[str],
    settings: MethodSettings,
    folder: Path,
    origin: dict[str, str],
) -> None:
    """Writes how often arrows hit what they point at, and how certain they are."""
    from jaxens.annotation.hits import measure_hits
    from jaxens.annotation.saving_hits import check_folder, choices_of, save_hits
    from jaxens.cli.console import say
    from jaxens.cli.progress import bar
    from jaxens.files import lock

    choices = origin | choices_of(ensemble, held_out, methods, settings)
    with lock(folder), bar() as progress:
        check_folder(folder, choices)
        hits = measure_hits(
            ensemble, held_out, methods, settings=settings, background=background, progress=progress
        )
        shown = save_hits(hits, folder, choices)
    say(f"{shown}\ntable and figure: {folder}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(annotate, arguments, name="annotate")


if __name__ == "__main__":
    parser.run(main)

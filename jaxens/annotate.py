"""Draws labeled arrows: what an ensemble sees in photos, where, and how sure its members are.

    python -m jaxens.annotate runs/fieldmarks photo.jpg

reads photos (without any, some images of the data set), finds the attributes that the ensemble
is sure of, and draws an arrow with a label to each.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from jaxens.annotation.rules import Rules, StyleName
from jaxens.cli import parser, signals
from jaxens.cli.runs import RunFolder, with_local_run
from jaxens.data.settings import UNSHOWN
from jaxens.errors import UserError
from jaxens.evaluation.settings import MethodName, MethodSettings
from jaxens.runs.choice import Choice

if TYPE_CHECKING:
    from jaxens.data.source import DataSet
    from jaxens.ensemble import Ensemble


@with_local_run
def annotate(
    run: RunFolder,
    /,
    *photos: Path,
    choice: Annotated[Choice, parser.FLAT] = Choice(),
    against: str | None = None,
    styles: Annotated[tuple[StyleName | Literal["all"], ...], parser.JOINED] = ("labeled_arrows",),
    formats: Annotated[tuple[Literal["png", "svg", "pdf"], ...], parser.JOINED] = ("png",),
    rules: Annotated[Rules, parser.FLAT] = Rules(),
    measure: Annotated[tuple[MethodName, ...], UNSHOWN] = (),
    settings: Annotated[MethodSettings, parser.FLAT] = MethodSettings(),
    out: Path | None = None,
) -> None:
    """Draw labeled arrows: what an ensemble sees in photos, where, and how sure its members are.

    Args:
        run: run directory that jaxens.train has written, or its URL; or an export
        photos: files, or folders of files; the central square is taken
        against: a look-alike class: point at what tells the prediction from it
        styles: how an image is annotated, side by side, or all
        formats: of the figures
        measure: draw nothing, but measure how often arrows by these methods hit what they point
            at, in the images of a split (here, --split is val and --images is all by default)
        out: folder for the figures (default: RUN/annotated-...)
    """
    choice.check_unused(photos)
    if measure and (photos or choice.ids):
        raise UserError("`measure` takes the images of a split: name no photos, and no `ids`")

    from jaxens.annotation import STYLES, from_data, save_annotations
    from jaxens.annotation import annotate as find_marks
    from jaxens.annotation.files import check_folder, origin_of
    from jaxens.cli.compilation import use_cache
    from jaxens.cli.console import say
    from jaxens.cli.progress import bar
    from jaxens.evaluation.captions import name_of_photos
    from jaxens.evaluation.settings import needs_background
    from jaxens.files import check_is_folder, output_folder
    from jaxens.names import file_name, shorten
    from jaxens.runs.opened import open_trained
    from jaxens.runs.own_data import chosen_data
    from jaxens.runs.photos import choose_photos

    signals.work_begins()
    check_is_folder(out or run)
    use_cache()
    opened = open_trained(run)
    ensemble = opened.ensemble
    wanted = not photos or needs_background([rules.method]) or opened.finds_data(choice.data_dir)
    with bar() as progress:
        data = chosen_data(opened, choice, wanted, progress)
        origin = {"run": run.resolve().name, "checkpoint": opened.origin.checkpoint}
        if data is None:
            say("probabilities are not calibrated: --data-dir names the validation images, too")
            origin["probabilities"] = "not calibrated"
        elif measure:
            folder = output_folder(out and out / "arrows", run, "arrows")
            _measure(ensemble, data, choice, measure, rules, settings, folder, origin)
            return
        chosen = choose_photos(opened, data, photos, choice)
        known = from_data(ensemble, data, rules.method, progress) if data else {}
        say(rules.describe())
        subject = name_of_photos(chosen.names) if photos else choice.name
        folder = output_folder(out, run, file_name(f"annotated-{subject}"))
        made_by = origin_of(ensemble, origin, against, settings)
        check_folder(folder, chosen.names, rules, made_by)  # before the work
        annotations = find_marks(
            ensemble,
            chosen.images,
            rules=rules,
            names=chosen.names,
            against=against,
            settings=settings,
            progress=progress,
            **known,
        )
        styles = tuple(STYLES) if "all" in styles else styles
        draw = {"styles": styles, "formats": formats, "full_image": chosen.full_image}
        save_annotations(folder, annotations, rules, **draw, progress=progress, origin=made_by)
    for annotation in annotations:
        say(f"{shorten(annotation.name)}: {shorten(annotation.prediction)}: {annotation.sentence}")
    say(f"figures: {folder}")


def _measure(
    ensemble: "Ensemble",
    data: "DataSet",
    choice: Choice,
    methods: Sequence[str],
    rules: Rules,
    settings: MethodSettings,
    folder: Path,
    origin: dict[str, str],
) -> None:
    """Writes how often arrows hit what they point at, and how certain they are."""
    from jaxens.annotation.saving_hits import hits_into
    from jaxens.cli.console import say
    from jaxens.cli.progress import bar
    from jaxens.data.source import evenly_spaced, load

    source = getattr(data, choice.split or "val")
    with bar() as progress:
        table = hits_into(
            folder,
            ensemble,
            load(source, progress, evenly_spaced(choice.images or len(source), len(source))),
            methods,
            origin=origin | {"split": source.split},
            rules=rules,
            data=data,
            settings=settings,
            progress=progress,
        )
    say(f"{table.to_markdown()}\ntable and figure: {folder}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(annotate, arguments, name="annotate")


if __name__ == "__main__":
    parser.run(main)

"""Explains photos by an ensemble: what each of its members predicts, and their mean.

    python -m jaxens.explain runs/fieldmarks photo.jpg --methods grad_cam lime

reads photos (without any, some images of the data set), explains what the ensemble predicts,
and draws for each method the members' maps with their mean and spread, their centers of mass,
and a single network next to the ensemble.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from jaxens.cli import parser, signals
from jaxens.cli.runs import RunFolder, with_local_run
from jaxens.evaluation.settings import DEFAULT_METHODS, Display, MethodName, MethodSettings
from jaxens.runs.choice import Choice


@with_local_run
def explain(
    run: RunFolder,
    /,
    *photos: Path,
    choice: Annotated[Choice, parser.FLAT] = Choice(),
    task: str | None = None,
    target: str | None = None,
    against: str | None = None,
    methods: Annotated[tuple[MethodName, ...], parser.JOINED] = DEFAULT_METHODS,
    save_maps: Annotated[bool, Parameter(negative="")] = False,
    display: Annotated[Display, parser.FLAT] = Display(),
    settings: Annotated[MethodSettings, parser.FLAT] = MethodSettings(),
    out: Path | None = None,
) -> None:
    """Explain photos by an ensemble: what each of its members predicts, and their mean.

    Args:
        run: run directory that jaxens.train has written, or its URL; or an export
        photos: files, or folders of files; the central square is taken
        task: task to explain (default: the first)
        target: class to explain, by name or number (default: the ensemble's prediction)
        against: explain the target rather than this class
        methods: explanation methods
        save_maps: write the members' maps too (maps.npz); all are then kept in memory
        out: folder for the figures (default: RUN/explained-...)
    """
    choice.check_unused(photos)

    from jaxens.cli import tables
    from jaxens.cli.compilation import use_cache
    from jaxens.cli.console import say, uncut
    from jaxens.cli.progress import bar
    from jaxens.data.preparing import cores
    from jaxens.evaluation import explain_in_parts, save_parts
    from jaxens.evaluation.captions import folder_name
    from jaxens.evaluation.maps import background_images
    from jaxens.evaluation.predictions import choose_targets
    from jaxens.evaluation.provenance import check_folders, provenance
    from jaxens.evaluation.settings import needs_background
    from jaxens.files import check_is_folder, lock, output_folder
    from jaxens.runs.opened import open_trained
    from jaxens.runs.own_data import chosen_data
    from jaxens.runs.photos import choose_photos

    signals.work_begins()
    check_is_folder(out or run)
    use_cache()
    opened = open_trained(run)
    ensemble = opened.ensemble
    wanted = not photos or needs_background(methods)
    with bar() as progress:
        data = chosen_data(opened, choice, wanted, progress)
    subject = choose_targets(
        ensemble, choose_photos(opened, data, photos, choice), task, target, against
    )
    say(uncut(tables.predictions(subject), 200))
    background = background_images(data.train, methods) if data else None
    for line in settings.describe(methods, 0 if background is None else len(background)):
        say(line)
    of_data = None if photos else choice.name
    folder = output_folder(out, run, folder_name(subject, of_data, target, against))
    origin = run.resolve().name, opened.origin.checkpoint
    described = provenance(ensemble, subject, list(methods), settings, background, *origin)
    with lock(folder), bar() as progress:
        check_folders(folder, described)
        parts = explain_in_parts(
            ensemble,
            subject,
            methods=methods,
            settings=settings,
            background=background,
            images_per_part=display.images_per_part,
            progress=progress,
        )
        save_parts(
            parts,
            folder,
            described,
            save_maps=save_maps,
            display=display,
            processes=cores(),
            progress=progress,
        )
    say(f"figures: {folder}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(explain, arguments, name="explain")


if __name__ == "__main__":
    parser.run(main)

"""Explains pictures by an ensemble: what its members say of each, alone and together.

    python -m jaxens.explain runs/fieldmarks photo.jpg --methods grad_cam lime

reads picture files (without any, some pictures of the data set), explains what the ensemble
predicts, and draws for each method the members' maps with their mean and spread, their centres
of mass, and a single network beside the ensemble.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxens.attribution import METHODS
from jaxens.cli.compilation import use_cache
from jaxens.cli.live import console
from jaxens.cli.parser import Parser, above_zero, main, positive
from jaxens.cli.predictions import captions, predictions_table
from jaxens.cli.tables import whole
from jaxens.data.pictures import Pictures, from_files, from_split, rows_of
from jaxens.data.preparing import progress
from jaxens.data.registry import DataSet
from jaxens.errors import UserError, notice
from jaxens.evaluation import explanation
from jaxens.evaluation.explainer import Explainer
from jaxens.evaluation.material import data_of, training_pictures
from jaxens.evaluation.predictions import Subject, find_class, find_task, subject
from jaxens.evaluation.settings import Settings, add_flags, together
from jaxens.evaluation.streaming import streamed
from jaxens.runs.loading import best_ensemble
from jaxens.runs.run import Run
from jaxens.viz.display import Display
from jaxens.viz.explained import FIGURES, Explained
from jaxens.viz.overlay import Colours

ON_A_PAGE = 12  # pictures in one figure


def explain(arguments: Sequence[str] | None = None) -> None:
    asked = _asked(arguments)
    use_cache()
    run = Run.open(asked.run)
    ensemble = best_ensemble(run)
    run.close()
    task = find_task(ensemble.tasks, asked.task)
    target, against = (
        None if name is None else find_class(task, name, flag)
        for name, flag in ((asked.target, "--target"), (asked.against, "--against"))
    )
    shap = "gradient_shap" in asked.methods
    data = data_of(run, asked.data_dir, asked.cache_dir) if shap or not asked.images else None
    shown = subject(ensemble, task, _pictures(run, data, asked), target, against)
    console.print(whole(predictions_table(shown), 200, console), soft_wrap=True)

    settings = Settings.from_flags(asked, ensemble, run.config.data.image_size)
    explainer = Explainer(ensemble, training_pictures(data) if data and shap else None, settings)
    folder = asked.out or run.folder / _folder_name(asked, shown)
    made = {m: explanation.provenance(run, explainer, m, shown) for m in asked.methods}
    for method, told in made.items():
        explanation.check_folder(folder / method, told)
    with progress("explaining", len(shown.targets) * len(made)) as advance:
        for methods in together(list(made)):
            for method, maps in _maps(explainer, methods, shown, advance).items():
                _tell_broken(method, maps, shown)
                explanation.write_provenance(folder / method, made[method])
                if asked.save_maps:
                    explanation.write_maps(folder / method, maps, shown)
                _draw(folder / method, method, maps, shown, asked)
    console.print(f"figures: {folder}", soft_wrap=True, markup=False)


def _maps(
    explainer: Explainer, methods: list[str], shown: Subject, advance: Callable[[], None]
) -> dict[str, Float[np.ndarray, "member picture height width"]]:
    """All members' maps of all pictures by each method; `advance` is called for each of both.

    NaN where a member gives NaN, though a gradient may have passed by what is broken in it: who
    has no say in a prediction has none in its explanation.
    """
    pictures = shown.pictures

    def some(rows: Int[np.ndarray, "some"]) -> dict[str, Float[Array, "some member height width"]]:
        maps = explainer.maps(
            methods,
            pictures.images[rows],
            pictures.places[rows],
            shown.classes(rows),
            shown.task.name,
        )
        return {method: jnp.swapaxes(of_method, 0, 1) for method, of_method in maps.items()}

    def done(count: int) -> None:
        for _ in range(count * len(methods)):
            advance()

    at_once, _ = explainer.settings.chunks(methods, explainer.ensemble.members)
    maps = streamed(some, len(pictures), min(at_once, len(pictures)), done)
    sound = shown.predictions.sound[..., None, None]
    return {
        method: np.where(sound, of_method.swapaxes(0, 1), np.nan)
        for method, of_method in maps.items()
    }


def _tell_broken(method: str, maps: np.ndarray, shown: Subject) -> None:
    """Names the members whose maps are not finite, though their answers are; the means do without
    these maps."""
    broken = shown.predictions.sound & ~np.isfinite(maps).all(axis=(-2, -1))
    for member in np.flatnonzero(broken.any(axis=1)):
        names = [shown.pictures.names[i] for i in np.flatnonzero(broken[member])]
        notice(
            f"{METHODS[method].title} of member {member} (0 to {len(maps) - 1}) is not finite for "
            f"{', '.join(names)}: left out of the mean"
        )


def _draw(
    folder: Path, method: str, maps: np.ndarray, shown: Subject, asked: argparse.Namespace
) -> None:
    """The figures of a method, in pages of some pictures."""
    usual: Colours = "signed" if METHODS[method].signed else "heat"
    display = Display(asked.colours or usual, asked.scale, asked.percentile)
    title = f"{METHODS[method].title} of {shown.task.name.replace('_', ' ')}"
    told = captions(shown)
    for page, start in enumerate(range(0, len(told), ON_A_PAGE), start=1):
        part = slice(start, start + ON_A_PAGE)
        explained = Explained(title, told[part], shown.pictures.images[part], maps[:, part])
        for name, figure in FIGURES.items():
            file = f"{name}.png" if len(told) <= ON_A_PAGE else f"{name}-{page}.png"
            figure(explained, display).save(folder / file)


def _pictures(run: Run, data: DataSet | None, asked: argparse.Namespace) -> Pictures:
    if asked.images or data is None:
        if run.config.data.crop == "box":
            notice(
                f"{asked.run} was trained on squares about the bounding box; of a file, the "
                "central square is taken: cut it about its object beforehand"
            )
        return from_files(asked.images, run.config.data.image_size)
    source = getattr(data, asked.split or "test")
    if asked.ids:
        return from_split(source, rows_of(source, asked.ids))
    count = min(asked.pictures or 8, len(source))
    return from_split(source, np.linspace(0, len(source) - 1, count).astype(int))


def _folder_name(asked: argparse.Namespace, shown: Subject) -> str:
    """A name that tells the pictures and what is explained of them."""
    if asked.images:
        first, more = Path(shown.pictures.names[0]).stem, len(shown.pictures) - 1
        pictures = [first, f"and-{more}-more" if more else ""]
    else:
        pictures = [asked.split or "test", "ids" if asked.ids else ""]
    classes = [asked.target, asked.against and f"not-{asked.against}"]
    name = "-".join(filter(None, ["explained", *pictures, shown.task.name, *classes]))
    return name.replace("/", "-")  # in the name of a class


def _percentile(text: str) -> float:
    value = above_zero(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"must be at most 100, not {text!r}")
    return value


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    asked = _parser().parse_intermixed_args(arguments)
    if asked.images and (asked.split or asked.ids or asked.pictures):
        raise UserError("--split, --ids and --pictures choose from the data set: name no files")
    if asked.ids and asked.pictures:
        raise UserError("--ids and --pictures both choose: give one of them")
    return asked


def _parser() -> Parser:
    parser = Parser("explain", __doc__)
    add = parser.add_argument
    add("run", type=Path, help="run directory that jaxens.train has written")
    add("images", nargs="*", type=Path, help="picture files, or folders; the central square counts")
    add("--split", choices=("train", "val", "test"), help="without files: a split (default: test)")
    add("--pictures", type=positive, help="of the split, evenly spaced (default: 8)")
    add("--ids", nargs="+", metavar="ID", help="of the split, by name")
    add("--task", help="task to explain (default: the first)")
    add("--target", metavar="CLASS", help="by name or number (default: what the ensemble says)")
    add("--against", metavar="CLASS", help="explain the target rather than this class")
    add(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=["grad_cam", "integrated_gradients"],
        metavar="METHOD",
        help=f"among {', '.join(METHODS)} (default: grad_cam integrated_gradients)",
    )
    add(
        "--colours",
        choices=("signed", "heat"),
        help="warm for and cold against the target, or one scale for what speaks for it "
        "(default: as the method's maps are)",
    )
    add(
        "--scale",
        choices=("own", "shared"),
        default="own",
        help="of the colours: a panel's own, or one for the panels of a picture (default: own)",
    )
    add(
        "--percentile",
        type=_percentile,
        default=99.0,
        help="of magnitudes, from which on colours are full (default 99)",
    )
    add("--save-maps", action="store_true", help="write the members' maps too (maps.npz)")
    add_flags(parser)
    add("--data-dir", type=Path, help="where the data set lies now, if it was moved")
    add("--cache-dir", type=Path, help="where prepared data lie")
    add("--out", type=Path, help="folder for the figures (default: RUN/explained-...)")
    return parser


if __name__ == "__main__":
    main(explain)

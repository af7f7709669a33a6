"""A trained ensemble: its logits, and its explanations, member by member."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, Key, Num

from jaxens import attribution
from jaxens.attribution import in_chunks, keys_of_images
from jaxens.data.schema import Task
from jaxens.ensemble.step import normalized
from jaxens.models import Classifier

SEGMENTS = 32  # labels are counted in these

Images = Num[Array | np.ndarray, "image height width 3"]
Classes = int | Int[np.ndarray, "image"] | attribution.Contrast


@dataclass(frozen=True)
class Ensemble:
    """Members of one architecture with stacked variables.

    `baseline` is the one member trained on all data, of leave-one-out and bagging ensembles,
    as a stack of one; it is no member of the ensemble.

    Images are uint8 pictures, or floats already normalised by `jaxens.ensemble.normalized`;
    a float of zero is the mean colour, not black.
    """

    model: Classifier
    variables: Any
    tasks: tuple[Task, ...]
    baseline: Any = None

    @property
    def params(self) -> Any:
        """The stacked parameters, `[member, ...]`."""
        return self.variables["params"]

    @property
    def members(self) -> int:
        return jax.tree.leaves(self.params)[0].shape[0]

    def alone(self) -> "Ensemble":
        """The baseline as an ensemble of one."""
        if self.baseline is None:
            raise ValueError("an ensemble of random weights has no baseline")
        return Ensemble(self.model, self.baseline, self.tasks)

    def logits(self, images: Images, task: str | None = None) -> Float[Array, "member image class"]:
        """Every member's logits for a task, which may be left unnamed where there is one."""
        return self.all_logits(images)[self._named(task)]

    def all_logits(self, images: Images) -> dict[str, Float[Array, "member image _"]]:
        """Every member's logits for each task."""
        return _logits(self.model, self.variables, _floats(images))

    def attribute(
        self,
        images: Images,
        targets: Classes,
        method: str,
        task: str | None = None,
        *,
        reduce: str | None = None,
        images_at_once: int | None = None,
        members_at_once: int | None = None,
        **settings: Any,
    ) -> Float[Array, "member image height width"]:
        """One map per member and image, channels reduced, by a method of `METHODS`.

        `targets` are classes of `task`: one, one per image, or a contrast. `settings` are the
        method's own (see `METHODS[method].settings`); pictures among them are taken as
        `images` are. Members share all of these, so that they differ by their weights alone;
        a `key` of shape [member, image] gives each its own draws.

        At most `members_at_once` times `images_at_once` are in one call of the model (times
        the steps or samples, see `chunk`), which bounds memory: no map depends on it.

        Raises `ValueError` for an unknown task or a class that it lacks, and as
        `jaxens.attribution.explain` does.
        """
        static, arrays, by_image, key = self._sorted(method, settings, images)
        outputs = self._outputs(targets, self._named(task))
        explain = partial(_maps, self.model, self.tasks, method, reduce, static)

        def some_members(variables: Any, keys: Array | None) -> Array:
            def some_images(images: Array, targets: Any, by_image: Any, keys: Any) -> Array:
                return explain(variables, _floats(images), targets, arrays | by_image, keys)

            keys = None if keys is None else jnp.swapaxes(keys, 0, 1)
            chunks = (jnp.asarray(images), outputs, by_image, keys)
            return jnp.swapaxes(in_chunks(some_images, images_at_once, *chunks), 0, 1)

        return in_chunks(some_members, members_at_once, self.variables, key)

    def surrogates(
        self,
        images: Images,
        *,
        segments: Int[Array | np.ndarray, "image height width"],
        key: Key[Array, "*image"],
        form: str = "marcotcr",
        samples: int | None = None,
        chunk: int | None = None,
    ) -> dict[str, Float[Array, "member image segment class"]]:
        """LIME's weights for every class of each task, from one pass over the perturbed images.

        `jaxens.attribution.paint` makes maps of a class's weights: those of `attribute` for
        the same settings. Segments that no image has weigh nothing.
        """
        weights = _surrogates(
            self.model,
            self.tasks,
            _room(segments),
            form,
            samples or attribution.FORMS[form].samples,
            chunk,
            self.variables,
            _floats(images),
            jnp.asarray(segments),
            key,
        )
        ends = np.cumsum([len(task.classes) for task in self.tasks])
        parts = jnp.split(weights, ends[:-1], axis=-1)
        return {task.name: part for task, part in zip(self.tasks, parts, strict=True)}

    def _sorted(
        self, method: str, settings: dict[str, Any], images: Images
    ) -> tuple[tuple[tuple[str, Any], ...], dict[str, Array], dict[str, Array], Array | None]:
        """Settings to compile in, arrays, arrays with an image axis, and keys by member."""
        by_image_names = attribution.find(method).per_image
        static, arrays, by_image, keys = {}, {}, {}, None
        for name, value in settings.items():
            if not isinstance(value, Array | np.ndarray):
                static[name] = value
            elif name == "key" and value.ndim == 2:
                if value.shape != (self.members, len(images)):
                    raise ValueError(
                        f"key has shape {value.shape}: give one key, one for each of "
                        f"{len(images)} images, or one for each of {self.members} members too"
                    )
                keys = jnp.asarray(value)
            elif name not in by_image_names:
                arrays[name] = _floats(value)
            elif name == "key":
                by_image[name] = keys_of_images(jnp.asarray(value), len(images))
            elif name == "segments":
                by_image[name] = jnp.asarray(value)
                static.setdefault("segment_count", _room(value))
            elif name == "baselines":
                by_image[name] = jnp.broadcast_to(_floats(value), images.shape)
        return tuple(sorted(static.items())), arrays, by_image, keys

    def _outputs(self, targets: Classes, task: str) -> Any:
        """Classes of a task, counted among the classes of all tasks one after another.

        Explanations see the tasks' logits as one vector, so that one compiled program serves
        every task.
        """
        names = [t.name for t in self.tasks]
        classes = self.tasks[names.index(task)].classes
        before = sum(len(t.classes) for t in self.tasks[: names.index(task)])

        def output(target: Any) -> np.ndarray:
            target = np.asarray(target)
            if target.size and not (target.min() >= 0 and target.max() < len(classes)):
                raise ValueError(
                    f"task {task} has classes 0 to {len(classes) - 1}, targets name {target.min()} "
                    f"to {target.max()}: leave out images without a label"
                )
            return np.asarray(target + before, np.int32)

        return jax.tree.map(output, targets)

    def _named(self, task: str | None) -> str:
        names = [t.name for t in self.tasks]
        if task is None and len(names) == 1:
            return names[0]
        if task not in names:
            raise ValueError(f"task {task!r}: name one of {', '.join(names)}")
        return task


def mean_probabilities(
    task: Task, logits: Float[Array, "member image class"]
) -> Float[Array, "image class"]:
    """The ensemble's prediction: the members' probabilities, averaged."""
    return jnp.mean(probabilities(task, logits), axis=0)


def probabilities(task: Task, logits: Float[Array, "*_ class"]) -> Float[Array, "*_ class"]:
    """Of one answer, or of each label by itself."""
    return jax.nn.softmax(logits) if task.kind == "multiclass" else jax.nn.sigmoid(logits)


def _floats(images: Array | np.ndarray) -> Array:
    images = jnp.asarray(images)
    return normalized(images / 255) if images.dtype == jnp.uint8 else images


@partial(jax.jit, static_argnums=0)
def _logits(model: Classifier, variables: Any, images: Array) -> dict[str, Array]:
    return jax.vmap(model.apply, in_axes=(0, None))(variables, images)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _maps(
    model: Classifier,
    tasks: tuple[Task, ...],
    method: str,
    reduce: str | None,
    settings: tuple[tuple[str, Any], ...],
    variables: Any,
    images: Array,
    targets: attribution.Targets,
    arrays: dict[str, Array],
    keys: Array | None,
) -> Float[Array, "image member height width"]:
    def of_one(variables: Any, key: Array | None) -> Array:
        own: dict[str, Any] = {} if key is None else {"key": key}
        if "probabilities" in attribution.find(method).settings:
            own["probabilities"] = partial(_probabilities, tasks)
        return attribution.explain(
            method,
            _network(model, variables),
            images,
            targets,
            reduce=reduce,
            **dict(settings),
            **arrays,
            **own,
        )

    return jax.vmap(of_one, in_axes=(0, 1), out_axes=1)(variables, keys)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5))
def _surrogates(
    model: Classifier,
    tasks: tuple[Task, ...],
    segment_count: int,
    form: str,
    samples: int,
    chunk: int | None,
    variables: Any,
    images: Array,
    segments: Array,
    key: Array,
) -> Float[Array, "member image segment class"]:
    masks = attribution.lime_draws(key, segments, samples, form, segment_count=segment_count)

    def of_one(variables: Any) -> Array:
        return attribution.surrogates(
            lambda images: _joined(model, model.apply(variables, images)),
            images,
            segments,
            masks,
            form=form,
            probabilities=partial(_probabilities, tasks),
            chunk=chunk,
        )

    return jax.vmap(of_one)(variables)


def _room(segments: Array | np.ndarray) -> int:
    """Room for the segments, in steps, so that pictures share a compiled program."""
    return -(-(int(np.max(segments)) + 1) // SEGMENTS) * SEGMENTS


def _network(model: Classifier, variables: Any) -> attribution.Network:
    """The model with the logits of all tasks as one vector."""

    guided = model.clone(act=attribution.guided_relu)
    return attribution.Network(
        logits_fn=lambda images: _joined(model, model.apply(variables, images)),
        features_fn=lambda images: model.apply(variables, images, method="features"),
        head_fn=lambda f: _joined(model, model.apply(variables, f, method="head")),
        guided_logits_fn=lambda images: _joined(model, guided.apply(variables, images)),
    )


def _joined(model: Classifier, logits: dict[str, Array]) -> Float[Array, "image label"]:
    return jnp.concatenate([logits[name] for name, _ in model.tasks], axis=-1)


def _probabilities(
    tasks: tuple[Task, ...], logits: Float[Array, "*_ label"]
) -> Float[Array, "*_ label"]:
    """Of the tasks' logits as one vector."""
    ends = np.cumsum([len(task.classes) for task in tasks])
    parts = jnp.split(logits, ends[:-1], axis=-1)
    each = [probabilities(task, part) for task, part in zip(tasks, parts, strict=True)]
    return jnp.concatenate(each, axis=-1)

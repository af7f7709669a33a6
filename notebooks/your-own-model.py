# %% [markdown]
# # Your own model
#
# `jaxens.attribution`, `jaxens.metrics` and `jaxens.viz` work with any JAX function from images
# `[image, height, width, channel]` to logits `[image, class]`. This notebook explains the same
# small network, written in Flax Linen, Flax NNX and Equinox. It takes less than a minute.

# %%
# %matplotlib inline
from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import nnx

from jaxens import attribution as attr
from jaxens import metrics, viz
from jaxens.annotation import TIPS
from jaxens.tables import Table

# %% [markdown]
# ## Images
#
# Each image has a patch with one of three patterns, at a random place. The mask says where.

# %%
CLASSES = ("horizontal stripes", "vertical stripes", "checkerboard")
SIDE, CELL, PATCH = 48, 16, 12
down, right = np.indices((PATCH, PATCH)) // 2 % 2
PATTERNS = np.stack([down, right, down ^ right])


def draw(count, seed, patches=1):
    """Returns photos [image, height, width, 3], and masks [image, class, height, width]."""
    random = np.random.default_rng(seed)
    colors = random.uniform(0.3, 0.7, (count, 1, 1, 3))
    photos = colors + random.normal(0, 0.06, (count, SIDE, SIDE, 1))
    masks = np.zeros((count, len(CLASSES), SIDE, SIDE), bool)
    for photo, of_photo in zip(photos, masks, strict=True):
        cells = random.choice((SIDE // CELL) ** 2, patches, replace=False)
        for k, cell in zip(random.permutation(len(CLASSES)), cells, strict=False):
            corner = np.array(divmod(cell, SIDE // CELL)) * CELL
            y, x = corner + random.integers(CELL - PATCH, size=2)
            photo[y : y + PATCH, x : x + PATCH] += 0.5 * (PATTERNS[k][..., None] - 0.5)
            of_photo[k, y : y + PATCH, x : x + PATCH] = True
    return photos.clip(0, 1).astype(np.float32), masks


def normalized(photos):
    """Returns images as the networks take them: zero is gray."""
    return 2 * photos - 1


# %% [markdown]
# One loop trains all three models. It takes a function of parameters and images.


# %%
def fit(logits, params, steps=200):
    """Returns trained parameters."""
    optimizer = optax.adam(5e-3)

    def loss(params, images, labels):
        losses = optax.softmax_cross_entropy_with_integer_labels(logits(params, images), labels)
        return losses.mean()

    @jax.jit
    def step(params, state, images, labels):
        updates, state = optimizer.update(jax.grad(loss)(params, images, labels), state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for k in range(steps):
        photos, masks = draw(32, seed=k)
        labels = masks.any(axis=(2, 3)).argmax(axis=1)
        params, state = step(params, state, normalized(photos), labels)
    return params


# %% [markdown]
# ## Flax Linen
#
# Write the model in two halves, `features` and `head`: Grad-CAM reads the features between them.
# Make the activation a field: the guided methods put another one in its place.


# %%
class LinenNet(nn.Module):
    act: Callable = nn.relu

    def setup(self):
        self.conv1 = nn.Conv(8, (3, 3))
        self.conv2 = nn.Conv(16, (3, 3), strides=2)
        self.conv3 = nn.Conv(32, (3, 3), strides=2)
        self.dense = nn.Dense(len(CLASSES))

    def features(self, images):
        return self.act(self.conv3(self.act(self.conv2(self.act(self.conv1(images))))))

    def head(self, features):
        return self.dense(features.mean(axis=(1, 2)))

    def __call__(self, images):
        return self.head(self.features(images))


photos, masks = draw(4, seed=1000)
images = normalized(photos)
model = LinenNet()
variables = fit(model.apply, model.init(jax.random.key(0), images))
linen = attr.Network(
    logits_fn=partial(model.apply, variables),
    features_fn=partial(model.apply, variables, method="features"),
    head_fn=partial(model.apply, variables, method="head"),
    guided_logits_fn=partial(model.clone(act=attr.guided_relu).apply, variables),
)

# %% [markdown]
# Check the functions once. They must fit each other, and the logits of an image must not depend on
# the rest of the batch.

# %%
attr.check_network(linen, images)

# %% [markdown]
# What if something is wrong? Here the batch leaks into the logits, as it does when batch
# normalization is left in training mode.

# %%
try:
    leaking = attr.Network(lambda images: linen.logits_fn(images - images.mean(axis=0)))
    attr.check_network(leaking, images)
except ValueError as error:
    print(error)

# %% [markdown]
# Now explain. `attr.METHODS` has all methods; each needs some of the functions. Wrap the call in
# `jax.jit`.

# %%
labels = masks.any(axis=(2, 3)).argmax(axis=1)
methods = {
    "saliency": {},
    "integrated_gradients": {"steps": 20},
    "grad_cam": {},
    "guided_grad_cam": {},
    "smooth_grad": {"key": jax.random.key(0), "samples": 20, "stdev": 0.3},
    "lime": {"key": jax.random.key(0), "segments": attr.superpixels(photos), "samples": 300},
}
explain = jax.jit(partial(attr.explain, methods, linen))
maps = explain(images, labels)
truth = masks.any(axis=1)
titles = {attr.METHODS[name].title: name for name in methods}
viz.show_maps(
    photos,
    {title: maps[name] for title, name in titles.items()},
    signed={title: attr.METHODS[name].signed for title, name in titles.items()},
    row_titles=[CLASSES[k] for k in labels],
    masks=truth,
)

# %% [markdown]
# Warm colors speak for the class, cold ones against it. Methods without a sign have a single color
# scale. How well do they find the patch?

# %%
test_photos, test_masks = draw(60, seed=1001)
test_labels, patches = test_masks.any(axis=(2, 3)).argmax(axis=1), test_masks.any(axis=1)
protocol = metrics.Protocol(metrics=("average_precision", "pointing_game"))
del methods["lime"]  # its segments are those of the four photos
explain = jax.jit(partial(attr.explain, methods, linen))
tested = dict(explain(normalized(test_photos), test_labels))
tested["a random map"] = metrics.random_maps(jax.random.split(jax.random.key(0), 60), SIDE, SIDE)
rows = []
for name, of_method in tested.items():
    signed = name in attr.METHODS and attr.METHODS[name].signed
    scores = metrics.score(of_method, patches, None, protocol, signed=signed)
    rows.append((name, *(float(np.nanmean(scores[metric])) for metric in protocol.metrics)))
Table(("method", *protocol.metrics), rows)

# %% [markdown]
# ## Labeled arrows
#
# These photos have all three patterns. Each class has a map of its own, and so an arrow of its own.
# `jaxens.annotation.TIPS` has three rules for the tip. This one takes the center of the region of
# most relevance.

# %%
scenes, truth = draw(3, seed=2000, patches=3)


def tips_of(network, photos):
    """Returns x, y [class, image] for each class, as fractions of width and height."""
    explain = jax.jit(partial(attr.attribute, "guided_grad_cam", network))
    maps = [explain(normalized(photos), k) for k in range(len(CLASSES))]
    return TIPS["region"](np.stack(maps))


tips = tips_of(linen, scenes)
arrows = [viz.Arrow(tuple(tip), name) for tip, name in zip(tips[:, 0], CLASSES, strict=True)]
viz.show_labeled_arrows(scenes[0], arrows, title="Flax Linen")

# %% [markdown]
# ## Flax NNX
#
# The layers of an NNX model are attributes, so you can cut it after any of them.


# %%
class NNXNet(nnx.Module):
    def __init__(self, rngs):
        self.conv1 = nnx.Conv(3, 8, (3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(8, 16, (3, 3), strides=2, rngs=rngs)
        self.conv3 = nnx.Conv(16, 32, (3, 3), strides=2, rngs=rngs)
        self.dense = nnx.Linear(32, len(CLASSES), rngs=rngs)
        self.act = nnx.relu

    def features(self, images):
        return self.act(self.conv3(self.act(self.conv2(self.act(self.conv1(images))))))

    def head(self, features):
        return self.dense(features.mean(axis=(1, 2)))

    def __call__(self, images):
        return self.head(self.features(images))


graph, params = nnx.split(NNXNet(nnx.Rngs(0)))
model = nnx.merge(graph, fit(lambda params, images: nnx.merge(graph, params)(images), params))
model.eval()  # dropout off, batch normalization by its running averages
guided = nnx.clone(model)
guided.act = attr.guided_relu
of_nnx = attr.Network(
    logits_fn=model,
    features_fn=model.features,
    head_fn=model.head,
    guided_logits_fn=guided,
)
attr.check_network(of_nnx, images)

# %% [markdown]
# ## Equinox
#
# Equinox models take one image, with channels first. `vmap` the model, and move the channel axis of
# images and features.


# %%
class EquinoxNet(eqx.Module):
    convs: list
    dense: eqx.nn.Linear
    act: Callable

    def __init__(self, key):
        keys = jax.random.split(key, 4)
        self.convs = [
            eqx.nn.Conv2d(3, 8, 3, padding=1, key=keys[0]),
            eqx.nn.Conv2d(8, 16, 3, stride=2, padding=1, key=keys[1]),
            eqx.nn.Conv2d(16, 32, 3, stride=2, padding=1, key=keys[2]),
        ]
        self.dense = eqx.nn.Linear(32, len(CLASSES), key=keys[3])
        self.act = jax.nn.relu

    def features(self, image):
        for conv in self.convs:
            image = self.act(conv(image))
        return image

    def head(self, features):
        return self.dense(features.mean(axis=(1, 2)))


def features_fn(model, images):
    return jnp.moveaxis(jax.vmap(model.features)(jnp.moveaxis(images, -1, 1)), 1, -1)


def head_fn(model, features):
    return jax.vmap(model.head)(jnp.moveaxis(features, -1, 1))


def logits_fn(model, images):
    return head_fn(model, features_fn(model, images))


params, static = eqx.partition(EquinoxNet(jax.random.key(0)), eqx.is_array)
params = fit(lambda params, images: logits_fn(eqx.combine(params, static), images), params)
model = eqx.combine(params, static)
guided = eqx.tree_at(lambda model: model.act, model, attr.guided_relu)
equinox = attr.Network(
    logits_fn=partial(logits_fn, model),
    features_fn=partial(features_fn, model),
    head_fn=partial(head_fn, model),
    guided_logits_fn=partial(logits_fn, guided),
)
attr.check_network(equinox, images)

# %% [markdown]
# ## Three networks, one ensemble
#
# Maps are arrays, so networks of different libraries can be compared, or averaged. An arrow can say
# how much they agree: give it the tips of all networks as its spread.

# %%
networks = {"Linen": linen, "NNX": of_nnx, "Equinox": equinox}
checkerboard = CLASSES.index("checkerboard")
of_networks = {
    name: jax.jit(partial(attr.attribute, "grad_cam", network))(normalized(scenes), checkerboard)
    for name, network in networks.items()
}
mean = metrics.mean_map(jnp.stack([*of_networks.values()]))
viz.show_maps(
    scenes,
    {**of_networks, "mean": mean},
    signed=attr.METHODS["grad_cam"].signed,
    title="Grad-CAM of the checkerboard by three networks",
    masks=truth[:, checkerboard],
)

# %%
every = np.stack([tips_of(network, scenes) for network in networks.values()])
arrows = [
    viz.Arrow(tuple(every[:, k, 1].mean(axis=0)), name, uncertain=False, spread=every[:, k, 1])
    for k, name in enumerate(CLASSES)
]
viz.show_labeled_arrows(scenes[1], arrows, title="The mean of three networks, and their spread")

# %% [markdown]
# ## Next
#
# The guide has [the same with batch normalization and dropout][1], and [what each method
# needs][2].
#
# [1]: https://github.com/jaxens/jaxens/blob/main/docs/guide/own-model.md
# [2]: https://github.com/jaxens/jaxens/blob/main/docs/guide/methods.md

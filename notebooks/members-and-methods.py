# %% [markdown]
# # Members and methods
#
# How much do the members of an ensemble agree? Do the methods? How many members are enough? This
# notebook asks the ensemble in `runs/birds`. The notebook `from-training-to-arrows` trains it: run
# that one first. This one takes less than a minute.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxens
import jaxens.data
from jaxens import attribution as attr
from jaxens import metrics, viz
from jaxens.tables import Table

ensemble = jaxens.load("runs/birds")
data = jaxens.data.open("fieldmarks", train_images=2400, val_images=100, test_images=150)
birds = jaxens.data.load(data.test, rows=np.arange(40))
ensemble.members

# %% [markdown]
# `explain` runs several methods as one program. The result is a dict of maps
# `[member, image, height, width]`. All explain the pattern of the wing.

# %%
methods = {
    "saliency": {},
    "smooth_grad": {"key": jax.random.key(0), "samples": 10, "stdev": 0.5},
    "input_x_gradient": {},
    "integrated_gradients": {"steps": 20},
    "grad_cam": {},
    "guided_grad_cam": {},
}
patterns = birds.labels["wing_pattern"]
maps = ensemble.explain(birds.images, patterns, methods, "wing_pattern", images_at_once=20)
means = {name: metrics.mean_map(of_method) for name, of_method in maps.items()}
titles = {name: attr.METHODS[name].title for name in methods}
signed = {name: attr.METHODS[name].signed for name in methods}
wings, points = birds.mask(["wing"]), birds.point(["wing"])

viz.show_maps(
    birds.images[:3],
    {titles[name]: mean[:3] for name, mean in means.items()},
    signed={titles[name]: signed[name] for name in methods},
    masks=wings[:3],
    title="The ensemble's explanation of the wing pattern, by method",
)

# %% [markdown]
# ## Do members agree?
#
# Agreement is the mean correlation of two members' maps of the same image. Near 1, any member gives
# the same explanation. Near 0, the map depends more on the random start of the network than on the
# image.

# %%
agreement = {name: np.asarray(metrics.agreement(of_method)) for name, of_method in maps.items()}
figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
axes.set_yticks(range(len(titles)), [*titles.values()])
axes.set(xlabel="agreement of members: one line per image, and the mean")
for row, values in enumerate(agreement.values()):
    axes.plot(values, np.full(len(values), row), "|", color="tab:blue", markersize=9)
    axes.plot(values.mean(), row, "o", color="tab:red")
axes.set_xlim(right=1)
axes.invert_yaxis()

# %% [markdown]
# The image on which members agree most, and the one on which they agree least, by Grad-CAM. All
# panels of a row share a scale, so the mean is faint where members disagree. The spread is the
# standard deviation over members.

# %%
order = np.argsort(-agreement["grad_cam"])
extremes = order[[0, -1]]
viz.show_members(
    birds.images[extremes],
    maps["grad_cam"][:, extremes],
    signed=signed["grad_cam"],
    scale="shared",
    masks=wings[extremes],
    captions=[f"agreement {agreement['grad_cam'][i]:.2f}" for i in extremes],
)

# %% [markdown]
# Centers of mass say the same with points: black for members, red for the mean map. The ellipse has
# two standard deviations of the members.

# %%
chosen = order[[0, len(order) // 3, 2 * len(order) // 3, -1]]
viz.show_centers(
    birds.images[chosen],
    metrics.center_of_mass(maps["grad_cam"][:, chosen]),
    metrics.center_of_mass(means["grad_cam"][chosen]),
    masks=wings[chosen],
    captions=[f"agreement {agreement['grad_cam'][i]:.2f}" for i in chosen],
)

# %% [markdown]
# ## Do methods agree?
#
# Maps of different methods have different units. A rank correlation ignores them. Magnitudes are
# compared, because some methods have no sign.

# %%
similarity = np.array(
    [
        [float(jnp.nanmean(metrics.spearman(jnp.abs(a), jnp.abs(b)))) for b in means.values()]
        for a in means.values()
    ]
)
figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
axes.imshow(similarity, "Blues", vmin=0, vmax=1)
axes.set_xticks(range(len(titles)), [*titles.values()], rotation=40, ha="right", fontsize=8)
axes.set_yticks(range(len(titles)), [*titles.values()], fontsize=8)
for (row, column), value in np.ndenumerate(similarity):
    color = "white" if value > 0.6 else "black"
    axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=color)

# %% [markdown]
# ## Which is right?
#
# The wings are known. Two scores compare the maps with them: correlation, and average precision,
# which has no threshold. `compare` pairs the average member with the mean map on each image.

# %%
protocol = metrics.Protocol(metrics=("correlation", "average_precision"))
of_members, of_means, rows = {}, {}, []
for name, of_method in maps.items():
    of_members[name] = metrics.score(of_method, wings, points, protocol, signed=signed[name])
    of_means[name] = metrics.score(means[name], wings, points, protocol, signed=signed[name])
    for metric in protocol.metrics:
        average, _ = metrics.individual_average(np.asarray(of_members[name][metric]))
        paired = metrics.compare(average, np.asarray(of_means[name][metric]), True)
        numbers = (paired.mean_individual, paired.mean_ensemble, paired.low, paired.high)
        rows.append((titles[name], metric, *numbers, f"{paired.p:.0e}"))
gaussian = jnp.broadcast_to(metrics.centered_gaussian(64, 64), wings.shape)
chance = metrics.score(gaussian, wings, points, protocol, signed=False)
for metric in protocol.metrics:
    mean = float(np.nanmean(chance[metric]))
    rows.append(("chance: a spot in the middle", metric, mean, mean, "", "", ""))
rows.sort(key=lambda row: row[1])
Table(("method", "score", "average member", "mean map", "gain, from", "to", "p"), rows)

# %% [markdown]
# That interval is about other images, explained by these members. Would other members gain as much?
# `compare_crossed` resamples images and members, so its interval is wider.

# %%
rows = []
for name in methods:
    pair = (np.asarray(scores[name]["correlation"]) for scores in (of_members, of_means))
    crossed = metrics.compare_crossed(*pair)
    rows.append((titles[name], crossed.difference, crossed.low, crossed.high, f"{crossed.p:.0e}"))
Table(("method", "gain in correlation", "from", "to", "p"), rows)

# %% [markdown]
# ## How many members are enough?
#
# The mean map of the first one, two, three, ... members, in several orders. No network has to run
# again. Where the curve is flat, another member adds little.

# %%
orders = metrics.member_orders(ensemble.members, orders=ensemble.members)
curves = {}
for name in ("input_x_gradient", "grad_cam", "guided_grad_cam"):
    scores = metrics.scores_by_size(
        maps[name], wings, points, orders, protocol, signed=signed[name]
    )
    curves[name] = [metrics.curve(np.asarray(scores[metric])) for metric in protocol.metrics]


def stacked(values):
    """Returns an array [metric, method, ...]."""
    by_method = [[values(curve) for curve in of_method] for of_method in curves.values()]
    return np.array(by_method).swapaxes(0, 1)


viz.size_curves(
    stacked(lambda curve: curve.mean),
    stacked(lambda curve: curve.low),
    stacked(lambda curve: curve.high),
    stacked(lambda curve: curve.mean[0]),
    metrics=[metrics.METRICS[metric].title for metric in protocol.metrics],
    methods=[titles[name] for name in curves],
    chance={"a spot in the middle": [float(np.nanmean(chance[m])) for m in protocol.metrics]},
    title="Scores of the mean map by the number of members",
)

# %% [markdown]
# ## Next
#
# `python -m jaxens.evaluate runs/birds` makes these tables and curves for all tasks and methods.

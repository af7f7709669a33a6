# %% [markdown]
# # From training to labeled arrows
#
# This notebook trains an ensemble of small networks on drawn birds, checks what the networks
# look at, and draws it the way a field guide does. It takes about two minutes on two CPU cores.
# Nothing is downloaded.

# %%
# %matplotlib inline
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

import jaxens.data
from jaxens import metrics, viz
from jaxens.annotation import (
    Rules,
    annotate,
    calibrate,
    draw,
    hits_table,
    measure_hits,
    to_json,
    typical,
)
from jaxens.evaluation import MethodSettings, evaluate, split_figure
from jaxens.runs import train
from jaxens.tables import Table
from jaxens.training.settings import Config, Members, Optim

# %% [markdown]
# ## The birds
#
# FieldMarks draws birds of 18 species that look alike. They differ in the length of the bill, in
# the pattern of the wing, and in five marks. Each image comes with a mask and a key point for every
# part, so we know where an explanation should point.

# %%
sizes = {"train_images": 2400, "val_images": 100, "test_images": 150}
data = jaxens.data.open("fieldmarks", **sizes)
held_out = jaxens.data.load(data.test)
split_figure(held_out.take(np.arange(5)), "Held-out images, plain and with what is marked")

# %% [markdown]
# ## Training
#
# All members are trained by one compiled program. Here they differ by their random weights only.
# Each member learns all tasks: the species, the family, the bill, the wing and the marks.
#
# The run stays in `runs/birds`. If you execute this cell again, the run is read and not repeated.

# %%
run = Path("runs/birds")
config = Config(
    data=jaxens.data.Data(**sizes),
    ensemble=Members(members=3),
    optim=Optim(epochs=12),
)
trained = train(config, run, resume=run.exists())

# %% [markdown]
# Each line is one member's loss.

# %%
epochs = [line for line in trained.history if "epoch" in line]
figure, axes = plt.subplots(figsize=(5, 2.4), layout="constrained")
axes.plot([line["epoch"] for line in epochs], [line["loss"] for line in epochs])
axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The ensemble's prediction is the mean of its members' probabilities. On held-out images it is
# better than the average member, and usually better than the best one.

# %%
trained.table

# %% [markdown]
# ## What the members look at
#
# What speaks for this pattern of the wing? Integrated gradients give a map for each member. Warm
# colors speak for the pattern, cold ones against it. The *mean* is the ensemble's explanation. The
# *spread* shows where members differ.

# %%
ensemble = trained.ensemble
birds = held_out.take(np.arange(4))
patterns = birds.labels["wing_pattern"]
maps = ensemble.attribute(
    birds.images, patterns, "integrated_gradients", task="wing_pattern", steps=16
)
viz.show_members(
    birds.images,
    maps,
    signed=True,
    masks=birds.mask(["wing"]),
    captions=[data.info.task("wing_pattern").classes[k] for k in patterns],
    title="Integrated gradients of the wing pattern; the wing is outlined",
)

# %% [markdown]
# ## Is the mean map better?
#
# `evaluate` scores every member's map and the mean map against the masks and key points, image by
# image. *Ind-Avg* is the average of the members' scores, *Ens-Avg* the score of the mean map. Bold
# marks a difference with p < 0.01 by a paired t-test. The rows of chance are maps that know nothing
# about the image.

# %%
few_steps = MethodSettings(steps=16)  # the default, 50, is more exact and slower
evaluation = evaluate(
    ensemble,
    held_out.take(np.arange(100)),
    methods=["grad_cam", "integrated_gradients"],
    tasks=["bill_length", "wing_pattern"],
    settings=few_steps,
    protocol=metrics.Protocol(metrics=("iou", "correlation", "distance")),
)
Markdown(evaluation.to_markdown())

# %% [markdown]
# ## Where should an arrow point?
#
# An arrow needs one point of a map. Three rules are possible: the center of mass, the peak of the
# blurred map, and the center of the region of most relevance. The validation images tell which
# method and rule hit the marked part most often.

# %%
val = jaxens.data.load(data.val)
methods = ["grad_cam", "guided_grad_cam", "integrated_gradients"]
hits = measure_hits(ensemble, val.take(np.arange(60)), methods, settings=few_steps)
rows = [row for row in hits_table(hits).to_dicts() if row["question"] == "all"]
shares = {(row["method"], row["tip"]): float(row["ensemble within 10%"]) for row in rows}
Table(
    ("method", "tip", "arrows within 10 % of the diagonal"),
    [(*rule, share) for rule, share in shares.items()],
)

# %% [markdown]
# ## Labeled arrows
#
# Now the drawing. A sighting is shown if its calibrated probability is at least one half. An arrow
# is dashed if fewer than half of the members point near its tip.

# %%
method, tip = max(shares, key=shares.get)
rules = Rules(method=method, tip=tip)
annotations = annotate(
    ensemble,
    birds.images,
    rules=rules,
    temperatures=calibrate(ensemble, val),
    typical=typical(data.train.labels(), ensemble.tasks),
    settings=few_steps,
)
draw(annotations)

# %% [markdown]
# The same in words. A sentence says what the look-alike has instead.

# %%
for annotation in annotations:
    print(f"{annotation.prediction}: {annotation.sentence}.")

# %% [markdown]
# One bird in all styles of the paper's Figure 9:

# %%
draw(annotations[:1], ["boxes", "arrows", "heatmap", "labeled_arrows", "words"])

# %% [markdown]
# `viz.save` writes a figure as PNG, SVG or PDF, and `to_json` has every number behind it.

# %%
viz.save(draw(annotations), run / "birds.svg")
print(to_json(annotations[:1], rules)[:400], "...")

# %% [markdown]
# ## Next
#
# - `your-own-model` explains a model of yours.
# - `members-and-methods` looks closer at this ensemble.
# - `python -m jaxens.annotate runs/birds photo.jpg` annotates any photo from the command line.

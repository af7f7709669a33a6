"""The settings that a training run depends on, as frozen dataclasses.

Every field is a flag of `jaxens.train` and a key of its section in a TOML file:
`[optim] batch_size = 32` and `--batch-size 32` are the same.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from jaxens.data.settings import UNSHOWN, Data
from jaxens.errors import UserError, check_number

# The keys of `jaxens.models.MODELS`; importing those would load Flax.
ModelName = Literal[
    "small", "small-vgg", "resnet18", "resnet34", "resnet50", "vgg16", "vgg16-full", "vgg16-bn",
    "vgg16-bn-full", "efficientnet-lite0",
]  # fmt: skip
Diversity = Literal["random-weights", "leave-one-out", "bagging"]


@dataclass(frozen=True)
class Model:
    """the classifier, for one member"""

    name: Annotated[ModelName, Parameter(name="--model")] = "small"
    """architecture"""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """type of the computation (auto: float32 on CPU, bfloat16 elsewhere)"""
    batch_norm: Annotated[Literal["synchronized", "per-device"], UNSHOWN] = "synchronized"
    """with several devices: statistics of the whole batch, or of the images of each device"""
    weights: Annotated[str, UNSHOWN] = ""
    """start below the heads: a state dict, a run, hf:OWNER/NAME, or imagenet (default: random)"""


@dataclass(frozen=True)
class Members:
    """members, and what makes them differ"""

    members: int = 11
    """networks in the ensemble"""
    diversity: Diversity = "random-weights"
    """what differs between members; the last two add a member trained on all data"""
    base: Literal["own", "shared", "frozen"] = "own"
    """trunk below the heads: one per member, one to start from, or that of --weights, untrained"""
    train_from: Annotated[str, UNSHOWN] = ""
    """first stage to train, such as layer4; those below stay as in --weights (default: all)"""

    def __post_init__(self) -> None:
        check_number("members", self.members, least=1, most=10_000)
        if self.diversity == "leave-one-out" and self.members < 2:
            raise UserError(
                "`diversity` leave-one-out needs `members` 2 or more: a single member has no data"
            )


@dataclass(frozen=True)
class Optim:
    """training"""

    epochs: int = 12
    """passes over the training images"""
    batch_size: int = 16
    """images per member and step"""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optax optimizer"""
    learning_rate: float = 6e-3
    """peak of the schedule"""
    schedule: Literal["cosine", "constant"] = "cosine"
    """learning rate after the warm-up"""
    warmup: float = 0.1
    """share of the steps in which the learning rate rises"""
    weight_decay: float = 1e-4
    """weight decay (adamw: decoupled; sgd: added to the gradient)"""
    task_weights: Annotated[tuple[float, ...], UNSHOWN] = ()
    """weights of the losses of --tasks, in their order (default: 1 each)"""
    seed: int = 0
    """seed of weights, order, augmentation and dropout"""

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, least=1, most=1_000_000)
        check_number("batch_size", self.batch_size, least=1, most=1_000_000)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("warmup", self.warmup, least=0, below=1)
        check_number("weight_decay", self.weight_decay, least=0)
        check_number("seed", self.seed, least=0, below=2**32)
        for weight in self.task_weights:
            check_number("task_weights", weight, least=0)
        if self.task_weights and not any(self.task_weights):
            raise UserError("`task_weights` are all 0: give one above 0")


@dataclass(frozen=True)
class Augment:
    """random changes of training images, on the device"""

    flip: bool = True
    """mirror half of the images"""
    zoom: float = 0.05
    """largest share of a side that a crop leaves out"""
    color: float = 0.1
    """largest change of brightness and contrast"""

    def __post_init__(self) -> None:
        check_number("zoom", self.zoom, least=0, below=1)
        check_number("color", self.color, least=0, below=1)

    @property
    def is_off(self) -> bool:
        """Whether training images are left unchanged."""
        return not (self.flip or self.zoom or self.color)


@dataclass(frozen=True)
class Config:
    """All settings that a training run depends on."""

    data: Annotated[Data, Parameter(name="*", group="data")] = Data()
    model: Annotated[Model, Parameter(name="*", group="model")] = Model()
    ensemble: Annotated[Members, Parameter(name="*", group="ensemble")] = Members()
    optim: Annotated[Optim, Parameter(name="*", group="optim")] = Optim()
    augment: Annotated[Augment, Parameter(name="*", group="augment")] = Augment()

    @property
    def frozen_below(self) -> str | None:
        """The first stage that is trained, or "heads"; None if all stages are trained."""
        return "heads" if self.ensemble.base == "frozen" else self.ensemble.train_from or None

    def __post_init__(self) -> None:
        if self.data.source == "fieldmarks" and self.optim.batch_size > self.data.train_images:
            raise UserError(
                f"`batch_size` {self.optim.batch_size} is more than the {self.data.train_images} "
                "training images: choose a smaller one"
            )
        if self.ensemble.base == "frozen" and not self.model.weights:
            raise UserError(
                "`base` frozen needs a trunk: add `weights` FILE (a state dict, .npz, .safetensors "
                "or .pth) or `weights` RUN (a run directory, from `members` 1 for example)"
            )
        if self.ensemble.train_from:
            stage = self.ensemble.train_from
            if self.ensemble.base == "frozen":
                raise UserError(
                    f"`base` frozen trains the heads alone, not from {stage} on: omit one of "
                    "`base` and `train_from`"
                )
            if not self.model.weights:
                raise UserError(
                    f"`train_from` {stage} keeps the stages below it as they come: add `weights` "
                    "with a file, a run, hf:OWNER/NAME, or imagenet"
                )
        weights, tasks = self.optim.task_weights, self.data.tasks
        if weights and len(weights) != len(tasks):
            raise UserError(
                f"`task_weights` has {len(weights)} values for {len(tasks)} `tasks`: "
                "name the tasks and give one weight for each"
            )

"""The flags of each benchmark, with their defaults. Importing them does not load JAX."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from jaxens.errors import check_number

# The models that PyTorch has too, in `jaxens.benchmarks.torch_models`.
Measured = Literal[
    "small", "small-vgg", "resnet18", "resnet50", "vgg16", "efficientnet-lite0",
]  # fmt: skip
Dtype = Literal["auto", "float32", "bfloat16"]
MethodName = Literal[
    "saliency", "input_x_gradient", "integrated_gradients", "gradient_shap", "grad_cam",
    "guided_backprop", "guided_grad_cam", "smooth_grad",
]  # fmt: skip
Profile = Annotated[bool, Parameter(negative="")]


@dataclass(frozen=True)
class Options:
    """What all benchmarks share."""

    rounds: int = 5
    """times that each alternative is measured"""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, int) and not isinstance(number, bool):
                    check_number(field.name, number, least=1)


@dataclass(frozen=True)
class Network(Options):
    """An ensemble and its images."""

    model: Measured = "small"
    """the members' architecture"""
    members: int = 11
    """networks in the ensemble"""
    image_size: int = 64
    """side of an image, pixels"""


@dataclass(frozen=True)
class Step(Network):
    """A training step of all members."""

    model: Measured = "resnet18"
    """the members' architecture"""
    batch_size: int = 16
    """images per member and step"""
    dtype: Dtype = "auto"
    """type of the computation (auto: float32 on CPU, bfloat16 elsewhere)"""


@dataclass(frozen=True)
class Train(Step):
    """A training step of all members, next to PyTorch's loop over members."""

    against: Literal["torch"] | None = None
    """who does the same work"""
    profile: Profile = False
    """trace some steps: which operations take longest"""


@dataclass(frozen=True)
class Explain(Network):
    """Maps of all members by gradient methods, next to Captum."""

    model: Measured = "resnet18"
    """the members' architecture"""
    images: int = 4
    """images that are explained"""
    methods: tuple[MethodName, ...] = (
        "saliency", "input_x_gradient", "integrated_gradients", "gradient_shap", "grad_cam",
    )  # fmt: skip
    """explanation methods"""
    dtype: Dtype = "auto"
    """type of the computation (auto: float32 on CPU, bfloat16 elsewhere)"""
    against: Literal["torch"] | None = None
    """who does the same work"""
    profile: Profile = False
    """trace some steps: which operations take longest"""


@dataclass(frozen=True)
class OneNetwork(Options):
    """One network with and without `jaxens.ops.accelerate`, next to Captum."""

    model: Literal[Measured, "vit-s"] = "resnet18"
    """the architecture; vit-s is a vision transformer, ViT-S/16, which only this benchmark has"""
    image_size: int = 224
    """side of an image, pixels"""
    images: int = 16
    """images that are explained"""
    methods: tuple[MethodName | Literal["lime"], ...] | None = None
    """methods (default: saliency, smooth_grad, integrated_gradients; grad_cam too, if not vit-s)"""
    dtype: Dtype = "auto"
    """type of the computation (auto: float32 on CPU, bfloat16 elsewhere)"""
    rounds: int = 3
    """times that each alternative is measured"""
    against: Literal["torch"] | None = None
    """who does the same work"""


@dataclass(frozen=True)
class Convolutions(Options):
    """The parts of convolutions that people use, next to XLA."""

    images: tuple[int, ...] = (1, 16)
    """images of a batch; several numbers are measured one after the other"""
    only: str = ""
    """measure only layers whose names have this in them, such as VGG or depthwise"""
    dtype: Dtype = "auto"
    """type of the operands (auto: float32)"""
    rounds: int = 3
    """times that each alternative is measured"""


@dataclass(frozen=True)
class Lime(Network):
    """LIME of all members, next to marcotcr/lime."""

    samples: int = 1000
    """samples of LIME"""
    against: Literal["lime"] | None = None
    """who does the same work"""


@dataclass(frozen=True)
class Members(Options):
    """One step of all members, next to as many jitted steps of one."""

    model: Measured = "resnet18"
    """the members' architecture"""
    sizes: tuple[int, ...] = (1, 2, 4, 8, 11, 16)
    """numbers of members"""
    image_size: int = 64
    """side of an image, pixels"""
    batch_size: int = 16
    """images per member and step"""
    dtype: Dtype = "auto"
    """type of the computation (auto: float32 on CPU, bfloat16 elsewhere)"""


@dataclass(frozen=True)
class Scaling(Options):
    """A training step on more and more devices, each with as many images."""

    model: Measured = "small"
    """the members' architecture"""
    members: int = 2
    """networks in the ensemble"""
    devices: tuple[int, ...] = (1, 2, 4, 8)
    """numbers of devices"""
    image_size: int = 64
    """side of an image, pixels"""
    batch_size: int = 8
    """images per member, device and step"""
    rounds: int = 3
    """times that each alternative is measured"""


@dataclass(frozen=True)
class Frozen(Step):
    """Heads on a frozen trunk, next to training the whole network."""


@dataclass(frozen=True)
class Scores(Options):
    """IoU, correlation and distance of maps, next to NumPy."""

    maps: int = 1000
    """maps of members that are scored, rounded to whole images"""
    members: int = 11
    """networks in the ensemble"""
    image_size: int = 224
    """side of a map, pixels"""


@dataclass(frozen=True)
class Input(Network):
    """Decoding of photos, next to Pillow and OpenCV, and what a training step needs."""

    image_size: int = 224
    """side of an image, pixels"""
    photos: int = 128
    """photos that are decoded"""
    batch_size: int = 16
    """images per member and step"""
    against: Literal["opencv"] | None = None
    """who does the same work"""


@dataclass(frozen=True)
class Compile(Network):
    """The training step, compiled by a new process with an empty cache, and by the next one."""

    batch_size: int = 16
    """images per member and step"""
    rounds: int = 3
    """times that each alternative is measured"""


# By name: the flags, and the function in `jaxens.benchmarks` that measures.
BENCHMARKS: dict[str, tuple[type[Options], str]] = {
    "train": (Train, "train:train"),
    "explain": (Explain, "explain:explain"),
    "network": (OneNetwork, "network:network"),
    "convolutions": (Convolutions, "convolutions:convolutions"),
    "lime": (Lime, "lime:lime"),
    "members": (Members, "members:members"),
    "scaling": (Scaling, "scaling:scaling"),
    "frozen": (Frozen, "frozen:frozen"),
    "scores": (Scores, "scores:scores"),
    "input": (Input, "pipeline:pipeline"),
    "compile": (Compile, "compiling:compiling"),
}

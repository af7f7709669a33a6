"""Image classifiers in Flax Linen, written for one member; an ensemble is a `vmap` over members."""

from jaxens.models.build import MODELS, build
from jaxens.models.classifier import Classifier
from jaxens.models.efficientnet import EfficientNetLite0
from jaxens.models.normalize import normalized
from jaxens.models.resnet import ResNet
from jaxens.models.small import SmallResNet
from jaxens.models.state_dict import from_state_dict
from jaxens.models.vgg import VGG

__all__ = [
    "MODELS",
    "VGG",
    "Classifier",
    "EfficientNetLite0",
    "ResNet",
    "SmallResNet",
    "build",
    "from_state_dict",
    "normalized",
]

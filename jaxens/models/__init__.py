"""Image classifiers in Flax Linen, written for one member; an ensemble is a `vmap` over members."""

from jaxens.models.build import MODELS, build
from jaxens.models.classifier import Classifier
from jaxens.models.normalize import normalized
from jaxens.models.resnet import ResNet18
from jaxens.models.small import SmallResNet
from jaxens.models.torchvision import from_torchvision
from jaxens.models.vgg import VGG

__all__ = [
    "MODELS",
    "VGG",
    "Classifier",
    "ResNet18",
    "SmallResNet",
    "build",
    "from_torchvision",
    "normalized",
]

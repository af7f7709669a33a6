"""The same explanations by Captum, which loops over members."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from captum import attr
from torch import Tensor, nn

from jaxens.attribution import METHODS
from jaxens.benchmarks.subject import Explained
from jaxens.benchmarks.torch_models import last_layer
from jaxens.benchmarks.torch_side import Members, Pending, device, variants

# Images of 64 px per chunk of integrated gradients. On two CPU cores, chunks of 128 took a quarter
# of the time of one chunk of 800 (16 images, 50 steps). A GPU has room for more.
CHUNK = {"cpu": 128, "cuda": 4096}


def explaining_sides(
    subject: Explained, methods: Sequence[str]
) -> dict[tuple[str, str], Callable[[], Pending]]:
    """Functions that return all members' maps, by method and PyTorch variant."""
    sides: dict[tuple[str, str], Callable[[], Pending]] = {}
    for variant in variants(device().type == "cuda"):
        if variant.compiled:  # Captum's hooks break the graph
            continue
        members = Members(subject, variant)
        by = variant.name.replace("PyTorch", "Captum")
        for net in members.nets:
            net.eval()
        for method in methods:
            sides[method, by] = partial(_all_members, members, MAPS[method])
    return sides


def _all_members(members: Members, maps: Callable[..., Tensor]) -> Pending:
    with members.autocast(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum warns that it sets and removes hooks
        of_members = [maps(net, members.images, members.labels) for net in members.nets]
    return Pending([map.detach() for map in of_members])


# Each returns one network's maps [image, height, width], with channels reduced as in jaxens.


def _saliency(net: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return attr.Saliency(net).attribute(images, targets).amax(1)


def _input_x_gradient(net: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return attr.InputXGradient(net).attribute(images, targets).sum(1)


def _integrated_gradients(net: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    method = attr.IntegratedGradients(net)
    steps = METHODS["integrated_gradients"].settings["steps"]
    maps = method.attribute(images, 0, targets, n_steps=steps, internal_batch_size=_chunk(images))
    return maps.sum(1)


def _chunk(images: Tensor) -> int:
    """Returns how many versions of images go through the network at once."""
    side = images.shape[-1]
    return max(len(images), round(CHUNK[images.device.type] * (64 / side) ** 2))


def _gradient_shap(net: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    samples = METHODS["gradient_shap"].settings["samples"]
    maps = attr.GradientShap(net).attribute(images, images, samples, target=targets)
    return maps.sum(1)


def _grad_cam(net: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    maps = attr.LayerGradCam(net, last_layer(net)).attribute(images, targets)
    return attr.LayerAttribution.interpolate(maps, images.shape[2:], "bilinear")[:, 0]


def _smooth_grad(net: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    method, settings = attr.NoiseTunnel(attr.Saliency(net)), METHODS["smooth_grad"].settings
    samples, at_once = settings["samples"], max(1, _chunk(images) // len(images))
    return method.attribute(
        images,
        nt_type="smoothgrad",
        nt_samples=samples,
        nt_samples_batch_size=min(samples, at_once),
        stdevs=settings["stdev"],
        target=targets,
        abs=False,
    ).amax(1)


def _guided_backprop(net: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    with _not_in_place(net):
        return attr.GuidedBackprop(net).attribute(images, targets).abs().amax(1)


def _guided_grad_cam(net: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    with _not_in_place(net):
        return attr.GuidedGradCam(net, last_layer(net)).attribute(images, targets).abs().amax(1)


MAPS: dict[str, Callable[..., Tensor]] = {
    "saliency": _saliency,
    "input_x_gradient": _input_x_gradient,
    "integrated_gradients": _integrated_gradients,
    "gradient_shap": _gradient_shap,
    "grad_cam": _grad_cam,
    "guided_backprop": _guided_backprop,
    "guided_grad_cam": _guided_grad_cam,
    "smooth_grad": _smooth_grad,
}


@contextmanager
def _not_in_place(net: nn.Module) -> Iterator[None]:
    """Captum's hooks don't work on activations that overwrite their input."""
    activations = [module for module in net.modules() if isinstance(module, nn.ReLU)]
    for activation in activations:
        activation.inplace = False
    try:
        yield
    finally:
        for activation in activations:
            activation.inplace = True

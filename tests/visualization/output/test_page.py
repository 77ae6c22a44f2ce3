"""The page of many pictures: that it needs nothing else, what is in it, and how it behaves in a browser."""

import base64
import io
import json
import re
import sys
import warnings

import pytest
import torch
from PIL import Image

from chapter14.cli import main
from chapter14.models.load import load_network
from chapter14.models.state_dict import fingerprint
from chapter14.visualization.output import provenance
from chapter14.visualization.output.dataset_examples import DatasetExamples, Photograph
from chapter14.visualization.output.page import POINTS, gallery_page
from chapter14.visualization.output.provenance import Provenance, save_with_provenance

from ...browser import contrast, luminance

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]

NASTY = "</script><img src=x onerror=alert(1)> & “quoted”"


def a_record(name, seed=0, J=-1.0, **more):
    fields = {"history": [2.0, 0.5, J], "alive": True, "options": {"steps": 3, "cycles": [0.4, 0.6], "start": None}}
    fields |= {"versions": {"torch": "2.14"}, "weights": "abc123", "model": "embedded"} | more
    return Provenance(objective=name, seed=seed, **fields)


def noise(size=48):
    return Image.effect_noise((size, size), 80).convert("RGB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs 0.png to 3.png."""
    folder = tmp_path_factory.mktemp("photographs")
    for i in range(4):
        noise(60).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def written(folder):
    photos = [Photograph(folder / f"{i}.png", 3.25 - i) for i in range(4)]
    names = [("channel 2 of l", -1.0), ("channel 10 of l", -3.0), (NASTY, -2.0)]
    pictures = [(a_record(name, i, J, command=["visualize", name]), noise()) for i, (name, J) in enumerate(names)]
    clear = noise()
    clear.putalpha(128)
    pictures[2] = (a_record(NASTY, 2, -2.0, alive=False, quality={"unseen": 0.125, "second": None}), clear)
    beside = [
        DatasetExamples(photos[:2], photos[:1:-1], [(0.25, 0, 0.5, 1), None]),
        DatasetExamples(photos[1:3], photos[:1]),
        DatasetExamples([], []),
    ]
    return gallery_page(pictures, beside, "Layer <l>")


def data(html):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', html, re.S).group(1))


def test_the_page_needs_no_other_file(written):
    without_pictures = re.sub(r"base64,[\w+/=]+", "", written)
    assert not re.search(r"//(?!www\.w3\.org/2000/svg)\w|@import|url\(|<link|<script src", without_pictures)
    assert "default-src 'none'" in written and "<title>Layer &lt;l&gt;</title>" in written
    assert written.count("</script>") == 2 and "<img" not in without_pictures


def test_everything_is_in_the_page_and_each_photograph_once(written):
    found = data(written)
    assert [card["name"] for card in found["cards"]] == ["channel 2 of l", "channel 10 of l", NASTY]
    assert [photo["name"] for photo in found["photos"]] == ["0.png", "1.png", "3.png", "2.png"]
    first, _, third = found["cards"]
    assert first["most"] == [[0, "3.25", [0.25, 0, 0.5, 1]], [1, "2.25", None]]
    assert first["least"] == [[2, "0.25", None], [3, "1.25", None]]
    assert first["command"] == "chapter14 visualize 'channel 2 of l'" and third["command"] == ""
    assert dict(map(tuple, third["facts"])) == {
        "objective": NASTY, "model": "embedded", "weights": "abc123", "seed": "2", "alive": "no, J had no gradient",
        "unseen": "0.125", "steps": "3", "cycles": "0.4, 0.6", "start": "none", "torch": "2.14",
    }  # fmt: skip
    kinds = [Image.open(io.BytesIO(base64.b64decode(card["picture"].split(",")[1]))).mode for card in found["cards"]]
    assert kinds == ["RGB", "RGB", "RGBA"]


def test_long_curves_are_thinned_and_end_where_they_end():
    history = torch.linspace(5, -5, 1001).tolist()
    (card,) = data(gallery_page([(a_record("a", history=history), noise(1000))]))["cards"]
    assert len(card["history"]) <= POINTS + 1 and (card["history"][0], card["history"][-1]) == (5, -5)
    assert card["steps"] == 1001 and max(card["size"]) == 480


def test_what_no_page_can_be_made_of_is_said():
    with pytest.raises(ValueError, match="there are no pictures"):
        gallery_page([])
    with pytest.raises(ValueError, match="0 sets of photographs for 1 pictures"):
        gallery_page([(a_record("a"), noise())], [])


@pytest.fixture
def opened(tabs, written, tmp_path):
    """The page from a file, offline; it must neither ask for anything nor complain."""
    (tmp_path / "page.html").write_text(written, encoding="utf-8")
    with tabs.opener((tmp_path / "page.html").as_uri(), height=800, allowed=("file:", "data:")) as open:
        yield open


def names(tab):
    return tab.locator("#cards li:not([hidden]) .name").all_text_contents()  # whether in sight or not


def test_filter_and_order(opened):
    tab = opened()
    assert names(tab) == ["channel 2 of l", "channel 10 of l", NASTY] and tab.title() == "Layer <l>"
    for order, seeds in {"lowest": [1, 2, 0], "highest": [0, 2, 1], "name": [2, 0, 1], "drawn": [0, 1, 2]}.items():
        tab.select_option("#order", order)
        assert [
            int(re.search(r"seed (\d)", text).group(1)) for text in tab.locator("#cards li").all_text_contents()
        ] == seeds
    tab.fill("#filter", "of CHANNEL")
    assert names(tab) == ["channel 2 of l", "channel 10 of l"] and tab.inner_text("#count") == "2 of 3"
    tab.fill("#filter", "nothing")
    assert names(tab) == [] and tab.inner_text("#count") == "0 of 3"


def test_a_picture_tells_all_by_keyboard_alone(opened):
    tab = opened()
    for _ in range(3):  # the filter, the order, and the first picture
        tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    dialog = tab.locator("dialog")
    assert dialog.is_visible() and tab.locator("dialog h2").inner_text() == "channel 2 of l"
    text = dialog.inner_text()
    assert all(word in text for word in ("chapter14 visualize 'channel 2 of l'", "abc123", "0.4, 0.6", "3.25", "3.png"))
    for name in ("channel 10 of l", NASTY):
        tab.locator("dialog .close").press("ArrowRight")  # which waits until the focus is there
        tab.wait_for_function("name => document.querySelector('dialog h2').textContent == name", arg=name)
    assert tab.locator("dialog h2").inner_text() == NASTY and "J had no gradient" in dialog.inner_text()
    tab.keyboard.press("ArrowRight")  # there is no next
    assert tab.locator("dialog h2").inner_text() == NASTY
    tab.keyboard.press("Escape")
    assert not dialog.is_visible()
    # The browser returns the focus to the first picture; the dialog's close event, which comes later, moves it to what
    # was looked at last.
    tab.wait_for_function("name => document.activeElement.innerText == name", arg=NASTY)


def test_a_click_opens_and_the_command_can_be_copied(opened):
    tab = opened()
    tab.locator("#cards svg").nth(1).click()
    assert tab.locator("dialog h2").inner_text() == "channel 10 of l"
    tab.get_by_role("button", name="Copy").click()
    assert tab.evaluate("getSelection().toString()") == "chapter14 visualize 'channel 10 of l'"
    tab.mouse.click(3, 3)  # beside the dialog
    assert not tab.locator("dialog").is_visible()


def test_every_picture_has_words_and_every_image_shows(opened):
    tab = opened()
    tab.locator("#cards button").first.click()
    alts = tab.eval_on_selector_all("img", "images => images.map(i => i.alt)")
    assert alts[0] == "What “channel 2 of l” looks for, drawn from seed 0" and all(alts)
    assert "photograph 0.png, value 3.25" in alts
    tab.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert "J, from 2 to -1 in 3 steps" in tab.eval_on_selector_all(
        "svg", "s => s.map(s => s.getAttribute('aria-label'))"
    )


@pytest.mark.parametrize("width", [375, 1280])
def test_it_fits_and_is_legible(width, opened):
    """Nothing is wider than the window, in the dialog neither; text has the contrast that WCAG asks for."""
    for scheme in ("light", "dark"):
        tab = opened(width=width, scheme=scheme)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        colours = "e => [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor]"
        for selector in ("h1", ".soft", ".dead"):
            assert contrast(*tab.locator(selector).first.evaluate(colours)) >= 4.5, (scheme, selector)
        dark = luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor")) < 0.1
        assert dark == (scheme == "dark")
        tab.locator("#cards button").first.click()
        assert tab.evaluate("(d => d.scrollWidth <= d.clientWidth)(document.querySelector('dialog'))")
        box = tab.locator("dialog").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        if width == 375:  # what is pressed with a finger
            assert min(b.bounding_box()["height"] for b in tab.locator("dialog button").all()) >= 44


@pytest.fixture
def pictures(tmp_path):
    """A folder of two pictures that the embedded network could have drawn."""
    weights = fingerprint(load_network().model.state_dict())
    for i, command in enumerate((["a photo of a cat"], ["--layer", "image.stages.3", "--channel", "7"])):
        kept = a_record(command[-1], i, weights=weights, command=["visualize", *command], quality={"score": 1.0 + i})
        save_with_provenance(noise(), tmp_path / "pictures" / f"{i}.png", kept)
    noise().save(tmp_path / "pictures" / "sheet.png")
    return tmp_path / "pictures"


def test_the_command_page(pictures, folder, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert main(["page", str(pictures), "--photos", str(folder), "--nearest", "2", "--out", str(out)]) == 0
    assert f"The page of 2 pictures is {out}." in capsys.readouterr().out
    cards = data(out.read_text(encoding="utf-8"))["cards"]
    assert [(c["name"], len(c["most"]), len(c["least"])) for c in cards] == [("a photo of a cat", 2, 2), ("7", 2, 2)]
    assert cards[0]["most"] != cards[1]["most"] and [p.name for p in out.parent.iterdir()] == ["page.html"]


def test_the_command_page_without_photographs(pictures, tmp_path):
    assert main(["page", str(pictures), "--title", "Two", "--out", str(tmp_path / "page.html")]) == 0
    assert "<h1>Two</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_command_page_says_what_it_cannot_do(pictures, folder, tmp_path, capsys, monkeypatch):
    def said(*arguments):
        assert main(["page", *map(str, arguments), "--out", str(tmp_path / "page.html")]) == 2
        assert not (tmp_path / "page.html").exists()
        return capsys.readouterr().err.splitlines()[-1]

    assert "no picture in it has a provenance" in said(folder)
    assert "nowhere: there is no such folder" in said(pictures, "--photos", "nowhere")
    assert "--nearest -2: it is at least 1" in said(pictures, "--photos", folder, "--nearest", "-2")
    (pictures / "folder.png").mkdir()  # which is passed over
    whole = (pictures / "1.png").read_bytes()
    (pictures / "1.png").write_bytes(whole[:-200])
    assert main(["page", str(pictures), "--out", str(tmp_path / "rest.html")]) == 0
    assert "1.png: it cannot be read as a picture" in capsys.readouterr().err
    assert [card["name"] for card in data((tmp_path / "rest.html").read_text())["cards"]] == ["a photo of a cat"]
    (pictures / "1.png").write_bytes(whole)
    assert main(["page", str(pictures), "--out", str(pictures)]) == 2
    assert "it is a folder" in capsys.readouterr().err
    save_with_provenance(
        noise(), pictures / "2.png", a_record("by hand", weights=provenance.read_provenance(pictures / "0.png").weights)
    )
    assert "by hand: no command drew it" in said(pictures, "--photos", folder)
    save_with_provenance(noise(), pictures / "2.png", a_record("other", command=["visualize", "a photo of a cat"]))
    assert "embedded: its weights are not those that drew other" in said(pictures, "--photos", folder)
    monkeypatch.setattr("pathlib.Path.write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert "page.html: it could not be written. No space left" in said(pictures)


def test_a_photograph_that_cannot_be_read_is_said_in_a_line(pictures, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    noise().save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "b.png").write_text("no picture")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda *its: sys.stderr.write(warnings.formatwarning(*its[:4]))
        assert (
            main(["page", str(pictures), "--photos", str(tmp_path / "photos"), "--out", str(tmp_path / "p.html")]) == 0
        )
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "left out" in line]
    assert said[0].startswith(f"chapter14 page: {tmp_path / 'photos' / 'b.png'}: it cannot be read") and len(said) == 1


def test_the_command_quality(pictures, folder, tmp_path, capsys):
    save_with_provenance(noise(), tmp_path / "other" / "2.png", a_record("a", quality={"score": 5.0}))
    assert main(["quality", str(pictures), str(tmp_path / "other")]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[1].split()[:2] == ["0.png", "1"] and rows[3].startswith(f"{pictures}, mean of 2") and " 1.5 " in rows[3]
    assert rows[5].startswith(f"{tmp_path / 'other'}, mean of 1")
    assert main(["quality", str(folder)]) == 2
    assert provenance.KEY in capsys.readouterr().err

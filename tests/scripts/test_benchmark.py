"""scripts/benchmark.py: it runs on a small network; bytes are exact; the pages have the tables of the csv. No times."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import chapter14

from .test_scripts import SCRIPTS, run

sys.path.insert(0, str(SCRIPTS))

from benchmarks import limit, networks, results, tables  # noqa: E402
from benchmarks.clock import Given, best, in_turns, row, times  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = SCRIPTS.parent


def test_every_table_small(tmp_path):
    csv, page = tmp_path / "measured.csv", tmp_path / "page.md"
    readme = tmp_path / "readme.md"
    page.write_text("before\n{}\nFORMER\n{}\nafter\n".format(*tables.TABLES), encoding="utf-8")
    readme.write_text("{}{}".format(*tables.SUMMARY), encoding="utf-8")
    files = "--csv", csv, "--page", page, "--readme", readme, "--write", "--quick"
    said = run("benchmark.py", "memory", "speed", "place", "neurons", *files)
    found = results.read(csv)
    assert {r.table for r in found} == {"memory", "speed", "place", "neurons"}
    assert {r.network for r in found} == {"small", "small:features.4"}
    assert {r.measure for r in found if r.table == "speed"} >= {"native", "tuned", "converted", "frozen", "limit"}
    assert all(math.isfinite(r.value) and r.low <= r.value <= r.high for r in found)
    assert all(abs(1 - r.value) < 1e-5 for r in found if r.measure.endswith("cosine"))
    written = page.read_text(encoding="utf-8")
    assert (
        written == tables.placed(written, tables.TABLES, tables.text(found))
        and written.startswith("before\n")
        and written.endswith("after\n")
    )
    assert "FORMER" not in written and "| small | 2 |" in said


def test_another_run_replaces_what_the_same_machine_said(tmp_path):
    given = Given()
    old = results.stamped(
        [row("speed", "a", 1, "native", [1, 3, 2], "s"), row("speed", "b", 1, "native", 5.0, "s")], given
    )
    new = results.stamped([row("speed", "a", 1, "native", [7, 6, 8], "s")], given)
    path = tmp_path / "it.csv"
    results.write(path, results.joined(old, new))
    assert [(r.network, r.value, r.low, r.high) for r in results.read(path)] == [("a", 7, 6, 8), ("b", 5, 5, 5)]
    elsewhere = [results.Result(**{**vars(r), "machine": "another"}) for r in old]
    assert len(results.joined(elsewhere, new)) == 3


def test_the_pages_have_the_tables_of_the_csv():
    found = results.read(ROOT / "assets" / "benchmark.csv")
    for name, marks, text in (
        ("docs/benchmarks.md", tables.TABLES, tables.text(found)),
        ("README.md", tables.SUMMARY, tables.summary(found)),
    ):
        page = (ROOT / name).read_text(encoding="utf-8")
        assert page == tables.placed(page, marks, text)
    assert tables.summary(found).count("\n") == 1 + len(tables.ROWS)


def test_a_page_without_a_place_for_tables():
    with pytest.raises(ValueError, match="the page has no place for tables"):
        tables.placed("nothing", tables.TABLES, "")


def test_turns():
    ran = []
    taken = in_turns({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, Given(turns=4))
    assert ran == 5 * ["a", "b"] and [len(each) for each in taken.values()] == [4, 4]
    assert len(in_turns({"a": lambda: None}, Given(turns=9, seconds=0))["a"]) == 3
    assert times([2, 3], [1, 2]) == [2, 1.5] and best({"a": [3, 1, 2], "b": [1, 9, 9]}, "a", "b", "c") == "a"


def test_the_limit_of_what_is_kept():
    x = torch.randn(1, 3, 32, 32)
    model = networks.made("small")[0]
    pooled, rectified = 8 * 15 * 15 * math.log2(5), 16 * 13 * 13
    assert limit.bytes_of_kinks(model, x) == pytest.approx((pooled + rectified) / 8)
    assert limit.bytes_of_kinks(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU()), x) is None


@pytest.mark.parametrize("name", ["small", "squeezenet1_1", "resnet18"])
def test_all_ways_give_the_same_and_keep_what_they_are_to(name):
    model, _ = networks.made(name)
    x, g_in, kept = torch.randn(1, 3, 64, 64), {}, {}
    for way in ("unfrozen", "native", "folded", "tuned", "checkpointed", "converted", "frozen"):
        f = networks.WAYS[way](model.double(), None)
        g_in[way] = networks.step(f, x.double())()
        kept[way] = chapter14.saved_bytes(f, x.double().requires_grad_()).total
        assert_close(g_in[way], g_in["unfrozen"], rtol=1e-9, atol=1e-12)
    assert kept["unfrozen"] >= kept["native"] > kept["checkpointed"] > 0
    assert kept["native"] > kept["converted"] > kept["frozen"] > 0


def test_a_module_to_end_at():
    model, until = networks.made("small:features.4")
    x = torch.randn(2, 3, 32, 32)
    ends = [networks.WAYS[way](model, until)(x) for way in ("native", "folded", "tuned", "frozen")]
    assert until == "features.4" and ends[0].shape == (2, 16, 13, 13)
    assert_close(ends[1:], 3 * ends[:1])


def test_an_unknown_table():
    import subprocess

    said = subprocess.run([sys.executable, Path(SCRIPTS) / "benchmark.py", "speeds"], capture_output=True, text=True)
    assert said.returncode == 2 and "there is no table 'speeds': memory, speed" in said.stderr

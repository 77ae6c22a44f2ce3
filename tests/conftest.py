"""What all tests share: one thread each, where several processes share the machine; what this PyTorch has otherwise."""

import gc
import os

import pytest
import torch

from .browser import CHROMIUM, Tabs
from .small_clip import as_embedded
from .versions import SKIPPED, WARNINGS

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
    torch.set_num_threads(1)


def pytest_configure(config):
    for line in WARNINGS:
        config.addinivalue_line("filterwarnings", line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("slow") is None:
            item.add_marker("fast")
        if reason := SKIPPED.get(item.nodeid.removeprefix("tests/")):
            item.add_marker(pytest.mark.skip(reason))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Tests are collected without searches for garbage; what is there then stays until the end, and is not searched."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tabs(chromium):
    return Tabs(chromium)


@pytest.fixture(scope="module")
def small_embedded(tmp_path_factory):
    """For tests that draw: the embedded network's graph takes longer to trace than a short descent takes."""
    with as_embedded(tmp_path_factory.mktemp("assets")):
        yield

"""What all tests share: one thread each, where several processes share the machine; what this PyTorch has otherwise."""

import os

import pytest
import torch

from .versions import SKIPPED, WARNINGS

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


def pytest_configure(config):
    for line in WARNINGS:
        config.addinivalue_line("filterwarnings", line)


def pytest_collection_modifyitems(items):
    for item in items:
        if reason := SKIPPED.get(item.nodeid.removeprefix("tests/")):
            item.add_marker(pytest.mark.skip(reason))

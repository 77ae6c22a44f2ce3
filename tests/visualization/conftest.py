"""These tests draw from a small CLIP: the embedded network's graph takes longer to trace than they to run."""

import pytest

from ..small_clip import as_embedded


@pytest.fixture(scope="package", autouse=True)
def small_embedded_network(tmp_path_factory):
    with as_embedded(tmp_path_factory.mktemp("assets")):
        yield

"""Large tensors go back block by block: the same, however small a block is."""

import pytest
from torch.testing import assert_close

import chapter14.layers.core.cache_blocks
from chapter14.checking.case import forward_and_backward

from ...table import CASES

IN_BLOCKS = "gelu mish hardswish softplus elu softmax softmin layer_norm rms_norm group_norm instance_norm".split()


@pytest.mark.parametrize("case", [case for case in CASES if str(case).split(",")[0] in IN_BLOCKS], ids=str)
def test_block_by_block(case, monkeypatch):
    at_once = forward_and_backward(case.ours, case.draw(7))
    monkeypatch.setattr(chapter14.layers.core.cache_blocks, "BLOCK", 10)
    assert_close(forward_and_backward(case.ours, case.draw(7)), at_once)

"""How a `Chain` of linear and pointwise layers is made fast.

In a small network, finding out what to call takes as long as the call: allocating results, checking shapes and
dtypes, building autograd's graph. So a chain replaces its layers by *stages* that compute the same (`stages.py`):

    nn.Linear, ReLU          a `PreallocatedLayer` (`preallocated.py`, `layers.py`)
    tanh, sigmoid, ...       a `PointwiseStage`, which calls the layer's own forward and backward (`pointwise.py`)
    l2, mse, cross entropy   losses in preallocated memory (`losses.py`)
    anything else            a `Block`

Preallocated memory. The first pass over inputs of some shape allocates x_out and g_in of each layer and makes its
`Kernel`: functions with no arguments whose operands are fixed. Later passes only call these. Layers that follow each
other share memory: x_out of one is x_in of the next, and g_in of the next is g_out of the one. Between other layers,
x_in and g_out are copied in.

Kernels. A product of at most `TINY` multiplications is numpy's, on the same memory: such a call takes half as long as
PyTorch's. For one datapoint and a large W, backward and update read W once for both, block by block.

Gradients. dJ/dW = g_out^T x_in is a product, kept as its two factors (`FactoredGradient`). `Chain.descend` accumulates
it directly into W, in one pass over W; `Chain.backward` multiplies it out, into new memory.

The jacobian of the whole chain is the product of its layers' L (`jacobian_product.py`).
"""

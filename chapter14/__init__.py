"""Backpropagation by hand: chapter 14 of *Foundations of Computer Vision*, as layers for PyTorch."""

from . import functional as functional
from . import nn as nn
from .checking.report import check as check
from .conversion.audit import audit as audit
from .conversion.audit import saved_bytes as saved_bytes
from .conversion.by_hand import by_hand as by_hand
from .conversion.convert import convert as convert
from .conversion.freezing.freeze import freeze as freeze
from .drawing.model_graph import draw as draw
from .graph.chain import Chain as Chain
from .graph.dag import Graph as Graph
from .graph.joint.network import forward_backward as forward_backward
from .graph.traced.traced import trace as trace
from .layer.base import Layer as Layer
from .layer.base import LinearMap as LinearMap
from .layer.fuse import fuse as fuse
from .layer.jacobians import jacobian as jacobian
from .layer.shape import ShapeError as ShapeError
from .version import __version__ as __version__
from .visualization.optimization.optimize import visualize as visualize

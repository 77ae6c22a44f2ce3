"""Backpropagation by hand: chapter 14 of *Foundations of Computer Vision*, as layers for PyTorch."""

from . import functional as functional
from . import nn as nn
from .jacobians import jacobian as jacobian
from .layer import Layer as Layer

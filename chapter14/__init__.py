"""Backpropagation by hand: chapter 14 of *Foundations of Computer Vision*, as layers for PyTorch."""

from .layer import Layer as Layer

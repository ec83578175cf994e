"""Measure what is said of convolutions: kernels, shifts, sizes of kernels, depth, channels and pooling.

A measurement is one file. `maps` reads what the layers of a net write, `shifts` moves images, `fields` finds the pixels
that a value depends on, `combining` the maps that a channel rests on, `probe` fits linear classifiers, `untrained`
makes a net with fresh weights, and `depth_figures` draws.
"""

from quartet.findings.convolution.depth import depth
from quartet.findings.convolution.kernel_size import kernel_size
from quartet.findings.convolution.pooling import pooling
from quartet.findings.convolution.shift_equivariance import shift_equivariance
from quartet.findings.convolution.sliding_product import sliding_product
from quartet.findings.convolution.stacked_maps import stacked_maps

__all__ = ["depth", "kernel_size", "pooling", "shift_equivariance", "sliding_product", "stacked_maps"]

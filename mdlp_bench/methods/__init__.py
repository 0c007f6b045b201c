"""Restoration methods: the interface, the registry, methods in a file or a folder of images."""

from mdlp_bench.methods.base import MOST_FRAMES, AnyMethod, FrameBatch, Method, MethodDescriptor, TextMethod
from mdlp_bench.methods.registry import load_method, method, registered_methods

__all__ = [
    "MOST_FRAMES",
    "AnyMethod",
    "FrameBatch",
    "Method",
    "MethodDescriptor",
    "TextMethod",
    "load_method",
    "method",
    "registered_methods",
]

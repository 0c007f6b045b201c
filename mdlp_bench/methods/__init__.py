"""Restoration methods: the interface, the registry, methods in a file or a folder of images."""

from mdlp_bench.methods.base import FrameBatch, Method, MethodDescriptor
from mdlp_bench.methods.registry import load_method, method, registered_methods

__all__ = ["FrameBatch", "Method", "MethodDescriptor", "load_method", "method", "registered_methods"]

"""Restoration methods: the interface, the registry, methods in a file or a folder of images."""

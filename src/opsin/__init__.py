"""Opsin: the landmark networks of image recognition, each as its paper has it, compared on your own images."""

__version__ = "0.1.0"

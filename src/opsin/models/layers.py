"""Layers that several papers share by name. What a single family uses stays in its own file."""

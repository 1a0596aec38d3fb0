"""A check of data before anything is trained: what cannot be read, leaks, contradicts itself or looks wrong."""

from opsin.data.doctor.check import Asked, Checked, check
from opsin.data.doctor.finding import Finding, Item

__all__ = ["Asked", "Checked", "Finding", "Item", "check"]

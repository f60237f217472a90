"""Pretexts: tasks whose targets come from the inputs themselves."""

from sennit.tasks.pretext.reconstruction import Reconstruction

__all__ = ["Reconstruction"]

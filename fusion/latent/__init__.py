"""Fusions whose result is a distribution over a latent vector."""

from sennit.fusion.latent.latent_product import LatentProduct

__all__ = ["LatentProduct"]

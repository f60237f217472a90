"""Adversaries: tasks whose gradient is turned around below their head."""

from sennit.tasks.adversary.domain import DomainAdversary

__all__ = ["DomainAdversary"]

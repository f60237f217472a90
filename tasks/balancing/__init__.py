"""Balancings: weigh what shared parameters receive, from the tasks' gradients."""

from tasks.balancing._base import Balancing, create_balancing, list_balancings, register_balancing
from tasks.balancing.pcgrad import PCGrad

__all__ = ["Balancing", "PCGrad", "create_balancing", "list_balancings", "register_balancing"]

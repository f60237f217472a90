"""Stacks: the layers that a sharing puts between the fusion and the heads."""

from tasks.sharing.stacks._base import Stack, build_stack, create_stack, list_stacks, register_stack
from tasks.sharing.stacks.mlp import MLPStack

__all__ = ["MLPStack", "Stack", "build_stack", "create_stack", "list_stacks", "register_stack"]

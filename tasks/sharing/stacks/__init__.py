"""Stacks: the layers that a sharing puts between the fusion and the heads."""

from sennit.tasks.sharing.stacks._base import Stack, build_stack, create_stack, list_stacks, register_stack
from sennit.tasks.sharing.stacks.conv import ConvStack
from sennit.tasks.sharing.stacks.mlp import MLPStack
from sennit.tasks.sharing.stacks.transformer import TransformerStack

__all__ = [
    "ConvStack",
    "MLPStack",
    "Stack",
    "TransformerStack",
    "build_stack",
    "create_stack",
    "list_stacks",
    "register_stack",
]

"""Shipping of trained models: saving, the hub, model cards, export."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sennit.tasks.shipping.card import model_card
    from sennit.tasks.shipping.export import export_program
    from sennit.tasks.shipping.hub import push
    from sennit.tasks.shipping.onnx_export import export_onnx
    from sennit.tasks.shipping.saving import load, save

__all__ = ["export_onnx", "export_program", "load", "model_card", "push", "save"]

_LAZY = {
    "export_onnx": "sennit.tasks.shipping.onnx_export",
    "export_program": "sennit.tasks.shipping.export",
    "load": "sennit.tasks.shipping.saving",
    "model_card": "sennit.tasks.shipping.card",
    "push": "sennit.tasks.shipping.hub",
    "save": "sennit.tasks.shipping.saving",
}


def __getattr__(name: str) -> object:
    # The exporters are slow to import, and the model, which saves itself, is imported by them.
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'sennit.tasks.shipping' has no attribute '{name}'")

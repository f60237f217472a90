"""Shipping of trained models: saving, the hub, model cards, export."""

from typing import TYPE_CHECKING

from sennit.lazy import lazy_exports

if TYPE_CHECKING:
    from sennit.tasks.shipping.card import model_card
    from sennit.tasks.shipping.export import export_program
    from sennit.tasks.shipping.hub import push
    from sennit.tasks.shipping.onnx_export import export_onnx
    from sennit.tasks.shipping.saving import load, save

__all__ = ["export_onnx", "export_program", "load", "model_card", "push", "save"]

# The exporters are slow to import, and the model, which saves itself, is imported by them.
_LAZY = {
    "export_onnx": "sennit.tasks.shipping.onnx_export",
    "export_program": "sennit.tasks.shipping.export",
    "load": "sennit.tasks.shipping.saving",
    "model_card": "sennit.tasks.shipping.card",
    "push": "sennit.tasks.shipping.hub",
    "save": "sennit.tasks.shipping.saving",
}
__getattr__ = lazy_exports(__name__, _LAZY)

"""Weights of timm's models from other places than timm's."""

from __future__ import annotations

from pathlib import Path

_HUB = "hf_hub:"


def weights_overlay(weights: str) -> dict[str, str]:
    """Return what timm needs to read weights from a file or from the hub.

    timm reads safetensors, and files of ``torch.save`` with tensors alone: nothing in them is executed.

    Args:
        weights: Path of a file, or ``"hf_hub:user/name"``.

    Raises:
        FileNotFoundError: There is no such file.

    Example:
        >>> weights_overlay("hf_hub:timm/vit_small_patch14_dinov2.lvd142m")
        {'hf_hub_id': 'timm/vit_small_patch14_dinov2.lvd142m'}
    """
    if weights.startswith(_HUB):
        return {"hf_hub_id": weights.removeprefix(_HUB)}
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"`weights` should be a file, or 'hf_hub:user/name'. Found no file '{weights}'. Is the path "
            f"relative to another folder?"
        )
    return {"file": weights}

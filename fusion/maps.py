"""Maps and encoders' outputs for heads that read them: computed where there is a reader, refused by name."""

from __future__ import annotations

from collections.abc import Collection

from sennit.fusion._base import FUSIONS
from sennit.fusion.fused_encoder import FusedEncoder


def check_map(reader: str, fused: FusedEncoder) -> None:
    """Refuse a reader of the fused map where there is none.

    Args:
        reader: Name of the reader, for the message: ``"task 'depth'"``.
        fused: Encoders and fusion that it reads.

    Raises:
        TypeError: The fusion fuses no maps, or encoders without a map are named.
    """
    if fused.map_dim is not None:
        return
    if not fused.fusion.fuses_maps:
        others = [name for name in FUSIONS.list() if FUSIONS.get(name).fuses_maps]
        raise TypeError(
            f"{reader} reads the fused map, and fusion '{fused.fusion.registry_name}' fuses no maps. Choose "
            f"one that does: {', '.join(others)}."
        )
    without = [m for m, encoder in fused.encoders.items() if encoder.map_dim is None]
    raise TypeError(
        f"{reader} reads the fused map, and the encoders of {without} have none. Give encoders of images a "
        f"pyramid (`create_encoder('conv', 3, pyramid='unet')`); other modalities cannot be fused at every "
        f"location, so leave them to another model."
    )


def keep_maps(column: FusedEncoder, *, fused: bool, encoded: Collection[str]) -> None:
    """Compute only these maps from now on.

    Args:
        column: Encoders and fusion.
        fused: Whether a head reads the fused map.
        encoded: Modalities whose encoder's map a head reads.
    """
    for fusion in column.fusions():
        fusion.keeps_map = fused
    fronts = column.fronts()
    read = {fronts[m] for m in encoded}  # modalities may share an encoder
    for front in fronts.values():
        front.keeps_map = fused or front in read


def keep_encoded(column: FusedEncoder) -> None:
    """Return the encoders' outputs with the fused one from now on.

    Args:
        column: Encoders and fusion; those nested in it are set too.
    """
    column.keeps_encoded = True
    for nested in column.nested.values():
        keep_encoded(nested)

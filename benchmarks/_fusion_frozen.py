"""Outputs of frozen encoders, stored in files and read in place of the encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from benchmarks._fusion_data import Part
from sennit.data import Batch, BatchDataset, InputSpec
from sennit.encoders import Encoder
from sennit.encoders.present_rows import encode_present_rows
from sennit.encoders.taps import pool
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.files import write_bytes
from sennit.search import RepeatableBatches, inference_only

_BATCH = 500
_POOLED, _TOKENS, _MASK, _TAP = "pooled", "tokens", "mask", "tap:"


class Remembered(Encoder):
    """Looks up the outputs of a frozen encoder for the samples whose numbers it reads.

    Taps are stored pooled, for all fusions that do not act between stages.

    Args:
        outputs: Outputs of `encoded`.

    Shape:
        ``forward(rows [B])``, whole numbers.
    """

    _not_config: ClassVar[tuple[str, ...]] = ("outputs",)

    def __init__(self, outputs: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.outputs = dict(outputs)
        self.input_spec = InputSpec((), dtype=torch.int64)
        self.embed_dim = outputs[_POOLED].shape[1]
        self.token_dim = outputs[_TOKENS].shape[2] if _TOKENS in outputs else None
        # The order of tensors in a file is arbitrary: the level stands before the name.
        self.taps = {key: key.split(":", 2)[2] for key in sorted(outputs) if key.startswith(_TAP)}
        self.tap_info = tuple(TapInfo(name, outputs[key].shape[1], "BC") for key, name in self.taps.items())

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        rows = {key: values.index_select(0, x) for key, values in self.outputs.items()}
        taps = {name: rows[key] for key, name in self.taps.items()}
        return EncoderOutput(rows[_POOLED], rows.get(_TOKENS), rows.get(_MASK), taps)


def encoded(name: str, encoder: Encoder, part: Part, *, renderings: int) -> dict[str, Tensor]:
    """Return an encoder's outputs for the training data, rendering by rendering, then for the other data.

    Args:
        name: Modality.
        encoder: Trained encoder.
        part: Data of the training.
        renderings: Number of times that training data are read, with new noise.
    """
    device = torch.device("cpu")
    gathered: dict[str, list[Tensor]] = {}
    with inference_only({name: encoder}, device):
        for batch in _batches(part, renderings):
            out = encode_present_rows(
                encoder, batch.inputs[name], batch.masks.get(name), batch.present[name], all_present=True
            )
            tensors = {_POOLED: out.pooled}
            tensors |= {} if out.tokens is None else {_TOKENS: out.tokens}
            tensors |= {} if out.mask is None else {_MASK: out.mask}
            for level, tap in enumerate(encoder.tap_info):
                key = f"{_TAP}{level:02d}:{tap.name}"
                tensors[key] = pool(out.taps[tap.name], tap.layout, out.tap_masks.get(tap.name))
            for key, value in tensors.items():
                gathered.setdefault(key, []).append(value)
    return {key: torch.cat(values) for key, values in gathered.items()}


def _batches(part: Part, renderings: int) -> Iterator[Batch]:
    for data, count in ((part.train, renderings), (part.validation, 1), (part.test, 1)):
        if data is not None:
            reading = RepeatableBatches(data, collate=None, prepare=None, batch_size=_BATCH, seed=0)
            for rendering in range(count):
                yield from reading.batches(rendering)


def numbered(part: Part, names: Sequence[str], *, renderings: int) -> Part:
    """Return the same samples with their numbers in `encoded` instead of inputs."""
    start = 0

    def renumbered(data: BatchDataset | None, count: int) -> BatchDataset | None:
        nonlocal start
        if data is None:
            return None
        rows = torch.arange(start, start + count * len(data))
        start += len(rows)
        targets = {t: y.repeat(count, *[1] * (y.dim() - 1)) for t, y in data.batch.targets.items()}
        return BatchDataset(Batch.of(dict.fromkeys(names, rows), targets=targets))

    train = renumbered(part.train, renderings)
    assert train is not None
    return Part(train, renumbered(part.validation, 1), renumbered(part.test, 1))


def write(path: Path, outputs: Mapping[str, Tensor]) -> None:
    """Write the outputs of an encoder, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save({key: value.contiguous() for key, value in outputs.items()}))


def read(path: Path) -> Remembered:
    """Return the encoder of a file.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no file '{path}', which the training of its modality alone leaves. Remove '{path.parents[1]}', "
            f"so that everything is trained again."
        )
    return Remembered(load_file(path))

"""The features that a head reads elsewhere than at the fused vector."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sennit.data import View
from sennit.encoders import Encoder, EncoderOutput
from sennit.fusion import FusedEncoder, Fusion, FusionOutput
from sennit.fusion.maps import check_map
from sennit.registry import check_names
from sennit.tasks._base import Task
from sennit.tasks.contract.feature_source import FeatureSource
from sennit.tasks.model.readings import trunk_of


class SourceReader:
    """Reads a task's sources from the output of a fused encoder.

    Args:
        name: Name of the task.
        task: Task.
        fused: Encoders and fusion.
        shared_dim: Size of a vector behind the sharing.
        out_dims: Size of the output of each task with a head.
        reads: Modalities that its trunk sees; None for all.

    Attributes:
        dims: Size of each source.
        modalities: Modalities that a row must have to be read.
        reads_vector: Whether a source is behind the sharing: the fused vector, or another task's output.
        reads_fusion: Whether a source is behind the fusion, and not of one encoder.
        outputs: Sources that are outputs of other tasks, with these tasks.
        images: Modalities of the maps that a dense task reads; its output has their height and width.
        of_fused_map: Whether a dense task learns from the fused map alone, and from auxiliary maps.
        of_candidates: Whether it has a head on the map of each candidate of a decision fusion.

    Raises:
        TypeError: The encoders or the fusion have no such features; they are named.
        ValueError: A source names an unknown modality, tap or task, or one that the task may not read.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        fused: FusedEncoder,
        shared_dim: int,
        out_dims: Mapping[str, int],
        reads: tuple[str, ...] | None,
    ) -> None:
        self.sources = dict(task.sources)
        self._name, self._fused = name, fused
        self.outputs = {n: s.of for n, s in self.sources.items() if s.at == "output" and s.of is not None}
        self.reads_vector = any(s.at in ("fused", "output") for s in self.sources.values())
        self.reads_fusion = any(s.modality is None for s in self.sources.values())
        if fused.fusion.stage == "decision" and any(s.at == "fused" for s in self.sources.values()):
            raise TypeError(
                f"task '{name}' cannot read its source through the decision fusion "
                f"'{fused.fusion.registry_name}', which has no fused vector. Use `sources=None`, or another "
                f"fusion."
            )
        for source in self.sources.values():
            self._check(source, reads)
        self.dims = {
            n: out_dims[s.of] if s.at == "output" and s.of else self._dim(s, shared_dim)
            for n, s in self.sources.items()
        }
        self.modalities = tuple(dict.fromkeys(s.modality for s in self.sources.values() if s.modality))
        self.images = self._images(task) if task.dense else ()
        (first, *others) = self.sources.values()
        self.of_fused_map = task.dense and first == FeatureSource("map") and not others
        self.of_candidates = self.of_fused_map and fused.fusion.stage == "decision"

    def _images(self, task: Task) -> tuple[str, ...]:
        leaves = self._fused.leaves()
        for source in self.sources.values():
            if source.at == "tap":
                layout = {t.name: t.layout for t in leaves[str(source.of)].tap_info}[str(source.tap)]
                if layout != "BCHW":
                    raise TypeError(
                        f"task '{self._name}' should read maps. Found the tap '{source.tap}' of "
                        f"'{source.of}', whose layout is {layout}."
                    )
        if all(source.modality for source in self.sources.values()):
            return self.modalities
        with_map = [m for m, encoder in leaves.items() if encoder.map_dim is not None]
        return tuple(m for m in with_map if task.reads is None or m in task.reads)

    def size(self, view: View) -> tuple[int, int] | None:
        """Return the height and width of the images that a dense task reads; None for another task.

        Those of the first modality that a sample of the batch has, as the others may be placeholders.
        """
        if not self.images:
            return None
        sizes = {m: view.inputs[m].shape[-2:] for m in self.images}
        first = next(iter(sizes.values()))
        if not view.all_present and not torch.compiler.is_compiling() and len(set(sizes.values())) > 1:
            first = next((size for m, size in sizes.items() if bool(view.present[m].any())), first)
        height, width = first
        return height, width

    def _check(self, source: FeatureSource, reads: tuple[str, ...] | None) -> None:
        if source.modality is None:
            return
        kind = f"modality in `sources` of task '{self._name}'"
        check_names(kind, [source.modality], self._fused.modalities)
        if reads is not None and source.modality not in reads:
            raise ValueError(
                f"the sources of task '{self._name}' should be of modalities that it reads, {reads}. "
                f"Found '{source.modality}'."
            )
        fusion = self._fused.fusion_of(source.modality)
        if fusion.stage == "early":
            raise TypeError(
                f"task '{self._name}' cannot read '{source.modality}' at '{source.at}': fusion "
                f"'{fusion.registry_name}' is early and has no encoder of it alone. Use another fusion."
            )

    def _dim(self, source: FeatureSource, shared_dim: int) -> int:
        if source.at == "fused":
            return shared_dim
        if source.at == "map":
            check_map(f"task '{self._name}'", self._fused)
        dim: int | None
        part: Encoder | Fusion = self._fused.fusion
        if source.modality is not None:
            part = self._fused.leaves()[source.modality]
            if source.at == "encoded":
                return part.embed_dim
            if source.at == "tap":
                taps = {info.name: info.dim for info in part.tap_info}
                check_names(f"tap of '{source.modality}'", [str(source.tap)], taps)
                return taps[str(source.tap)]
        kind = "fusion" if source.modality is None else "encoder"
        dim = part.map_dim if source.at.endswith("map") else part.token_dim
        if dim is None:
            where = f" of '{source.modality}'" if source.modality else ""
            raise TypeError(
                f"task '{self._name}' reads '{source.at}', which {kind} '{part.registry_name}'{where} does "
                f"not have. Choose another {kind}, or another source."
            )
        return dim

    def read(
        self, out: FusionOutput | None, vector: Tensor | None, encoded: Mapping[str, EncoderOutput]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the features of each source, and the masks of those with padding.

        An output of another task is read as the vector from which its head makes it.

        Args:
            out: Output of the fused encoder; None where no source needs it.
            vector: Vector behind the sharing; None where no source needs it.
            encoded: Outputs of the encoders.
        """
        features: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for name, source in self.sources.items():
            value, mask = self._value(source, out, vector, encoded)
            features[name] = value if source.gradient == "own" else value.detach()
            if mask is not None:
                masks[name] = mask
        return features, masks

    def _value(
        self,
        source: FeatureSource,
        out: FusionOutput | None,
        vector: Tensor | None,
        encoded: Mapping[str, EncoderOutput],
    ) -> tuple[Tensor, Tensor | None]:
        if source.at in ("fused", "output"):
            assert vector is not None
            return vector, None
        place = out if source.modality is None else encoded[source.modality]
        assert place is not None
        if source.at == "tap":
            tap = str(source.tap)
            return place.taps[tap], place.tap_masks.get(tap)
        if source.at == "encoded":
            return place.pooled, None
        value = place.map if source.at.endswith("map") else place.tokens
        if self.of_candidates:
            assert out is not None
            value = out.candidate_maps
        assert value is not None
        return value, None if source.at.endswith("map") else place.mask


def source_readers(
    tasks: Mapping[str, Task], fused: FusedEncoder, shared_dim: int
) -> dict[str, SourceReader]:
    """Return the readers of the tasks whose heads do not just read the fused vector.

    Args:
        tasks: Tasks that have heads of their own.
        fused: Encoders and fusion.
        shared_dim: Size of a vector behind the sharing.
    """
    out_dims = {name: task.out_dim for name, task in tasks.items()}
    trunks = {name: tasks[trunk_of(name, task)] for name, task in tasks.items()}
    return {
        name: SourceReader(name, task, fused, shared_dim, out_dims, trunks[name].reads)
        for name, task in tasks.items()
        if not task.reads_fused
    }

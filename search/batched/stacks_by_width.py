"""A generation as one net for each range of widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.fusion.intermediate.cells import Taps
from sennit.search.batched.batched_candidates import BatchedCandidates
from sennit.search.batched.candidate import Candidate, Output, Present


class StacksByWidth:
    """Candidates of one space side by side, in a `BatchedCandidates` for each range of widths.

    Padding a narrow candidate to the widest costs the square of their ratio, another stack all operations
    once more: a stack holds widths down to half of its widest.

    Args:
        candidates: Candidates with their first weights.
        device: Device of the computation.

    Attributes:
        tensors: Parameters by width of the stack and name.
        values_per_row: Number of values of the maps of all taps, for one row of the largest stack.
    """

    def __init__(self, candidates: Sequence[Candidate], *, device: torch.device | str = "cpu") -> None:
        self.candidates, self.device = list(candidates), torch.device(device)
        self.tasks = candidates[0].tasks
        self._members = _by_width([c.fusion.genome.width for c in candidates])
        self._stacks = {
            width: BatchedCandidates([candidates[i] for i in members], device=device)
            for width, members in self._members.items()
        }
        self.tensors = {
            f"{width}/{name}": tensor
            for width, stack in self._stacks.items()
            for name, tensor in stack.tensors.items()
        }
        self.values_per_row = max(stack.values_per_row for stack in self._stacks.values())
        order = torch.tensor([i for members in self._members.values() for i in members], device=self.device)
        self._place = order.argsort()

    def __call__(self, taps: Taps, present: Present = None) -> dict[str, list[tuple[list[int], Output]]]:
        """Return, for each task, lists of candidates with their outputs ``[candidates, B, ...]``."""
        outputs: dict[str, list[tuple[list[int], Output]]] = {name: [] for name in self.tasks}
        for width, stack in self._stacks.items():
            for name, of_members in stack(taps, present).items():
                for members, out in of_members:
                    outputs[name].append(([self._members[width][k] for k in members], out))
        return outputs

    def losses(
        self,
        taps: Taps,
        present: Present,
        targets: Mapping[str, Tensor],
        scored: Mapping[str, Tensor],
    ) -> Tensor:
        """Return the loss of each candidate ``[C]``; see `BatchedCandidates.losses`."""
        losses = [stack.losses(taps, present, targets, scored) for stack in self._stacks.values()]
        return torch.cat(losses).index_select(0, self._place)

    def pack(self, values: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Return the values of the candidates' parameters, given by name, in the layout of ``tensors``."""
        return {
            f"{width}/{name}": tensor
            for width, stack in self._stacks.items()
            for name, tensor in stack.pack([values[i] for i in self._members[width]]).items()
        }

    def unpack(self, tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return each candidate's values by name; the reverse of `pack`."""
        unpacked: list[dict[str, Tensor]] = [{} for _ in self.candidates]
        for width, stack in self._stacks.items():
            values = stack.unpack({name: tensors[f"{width}/{name}"] for name in stack.tensors})
            for i, of_candidate in zip(self._members[width], values, strict=True):
                unpacked[i] = of_candidate
        return unpacked


def _by_width(widths: Sequence[int]) -> dict[int, list[int]]:
    """Return the members of each stack, by its widest.

    Example:
        >>> _by_width([32, 128, 64, 32])
        {128: [1, 2], 32: [0, 3]}
    """
    stacks: dict[int, list[int]] = {}
    for width in sorted({*widths}, reverse=True):
        stack = next((widest for widest in stacks if width >= widest / 2), width)
        stacks.setdefault(stack, []).extend(i for i, w in enumerate(widths) if w == width)
    return stacks

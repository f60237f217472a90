"""Several nets, and models that are fitted at once, as one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sennit.data import View
from sennit.files import read_json_object, write_json
from sennit.named_modules import NamedModules
from sennit.recipes.table.training.averaging import combined, row_weights
from sennit.recipes.table.training.kernel import KernelMachine
from sennit.recipes.table.training.linear import LinearModel
from sennit.recipes.table.training.shallow import ShallowModel
from sennit.recipes.table.training.trees import BoostedTrees
from sennit.tasks import MultiTaskModel, TaskOutput
from sennit.tasks.shipping import load

_FILE, _NETS, _SHALLOW = "ensemble.json", "nets", "shallow.safetensors"
_KINDS: Mapping[str, type[ShallowModel]] = {
    part.kind: part for part in (BoostedTrees, KernelMachine, LinearModel)
}


class TableEnsemble(MultiTaskModel):
    """A net that answers together with further nets, and with models that are fitted at once.

    A further net has all tasks, or some: one of its own serves a task that a shared net serves badly. It has
    all inputs, or some: joint training lets a strong input hide another. An answer is the weighted mean of
    the probabilities, or numbers, of the members that have the task. Where a row lacks all that a member
    reads, the others answer. It is a `MultiTaskModel` in all that the first net is: inputs, tasks,
    preprocessing; features are the first net's.

    Source: Dietterich, "Ensemble Methods in Machine Learning", 2000.

    Args:
        nets: One net or more, the first with all tasks and all inputs.
        shallow: Other members by task, such as boosted trees.
        weights: Weight of each net that has the task, then those of the other members, by task; equal by
            default.

    Raises:
        ValueError: A net of other tasks or inputs than the first, or weights of another number.
    """

    def __init__(
        self,
        nets: Sequence[MultiTaskModel],
        *,
        shallow: Mapping[str, Sequence[ShallowModel]] | None = None,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        first, *others = nets
        nn.Module.__init__(self)
        for name, value in vars(first).items():  # its parts are this model's, which adds members to them
            self.__dict__[name] = dict(value) if name in ("_modules", "_buffers", "_parameters") else value
        for net in others:
            if not {*net.tasks} <= {*first.tasks}:
                raise ValueError(
                    f"`nets` should have tasks of the first, {[*first.tasks]}. Found {[*net.tasks]}."
                )
            if not {*inputs_of(net)} <= {*inputs_of(first)}:
                raise ValueError(
                    f"`nets` should have inputs of the first, {[*inputs_of(first)]}. "
                    f"Found {[*inputs_of(net)]}."
                )
        self.others = nn.ModuleList(others)
        self.shallow = NamedModules({name: nn.ModuleList(of) for name, of in (shallow or {}).items()})
        self._net = (first,)  # a tuple is not registered: its parts are above
        self.member_weights = {
            name: (weights or {}).get(name, torch.full((self._members(name),), 1 / self._members(name)))
            for name in first.tasks
        }
        for name, given in self.member_weights.items():
            if len(given) != self._members(name):
                raise ValueError(
                    f"`weights` of '{name}' should be {self._members(name)}, one a member. "
                    f"Found {len(given)}."
                )

    @property
    def nets(self) -> list[MultiTaskModel]:
        """All nets."""
        return [*self._net, *self.others]

    def nets_of(self, task: str) -> list[MultiTaskModel]:
        """Return the nets that have a task."""
        return [net for net in self.nets if task in net.tasks]

    def shallow_of(self, task: str) -> list[ShallowModel]:
        """Return the other members of a task."""
        return list(self.shallow[task]) if task in self.shallow else []  # type: ignore[arg-type]

    def _members(self, task: str) -> int:
        return len(self.nets_of(task)) + len(self.shallow_of(task))

    def train(self, mode: bool = True) -> TableEnsemble:
        super().train(mode)
        self._net[0].train(mode)
        return self

    def forward(self, data: View | Mapping[str, Tensor]) -> dict[str, TaskOutput]:
        """Return the output of each task that answers; see `MultiTaskModel`."""
        view = data if isinstance(data, View) else self._net[0]._checked_view(data)
        outputs = {}
        for name, (members, readable) in self.member_outputs(view).items():
            weight = row_weights(self.member_weights[name].to(members), readable)
            outputs[name] = TaskOutput(combined(self.tasks[name], members, weight))
        return outputs

    def member_outputs(self, view: View) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the outputs of the members of each task, and the rows that each one can read.

        Shape:
            outputs ``[members, B, ...]``, rows ``[members, B]`` bool.
        """
        by_net = [net(_restricted(view, net)) for net in self.nets]
        reads = [self._readable(view, net) for net in self.nets]
        outputs = {}
        for name in by_net[0]:
            members = [out[name].logits for out in by_net if name in out]
            readable = [rows for out, rows in zip(by_net, reads, strict=True) if name in out]
            for part in self.shallow_of(name):
                members.append(part(view).to(members[0]))
                readable.append(part.readable(view))
            outputs[name] = torch.stack(members), torch.stack(readable)
        return outputs

    def _readable(self, view: View, net: MultiTaskModel) -> Tensor:
        """Return the rows that a net can read: all of them, whatever they lack, where it has all inputs."""
        rows = torch.stack([view.present[name] for name in inputs_of(net)]).any(0)
        return rows if len(inputs_of(net)) < len(inputs_of(self)) else torch.ones_like(rows)

    def member_names(self, task: str) -> list[str]:
        """Return a name of each member of a task, in the order of its weights."""
        names = []
        for i, net in enumerate(self.nets):
            if task in net.tasks:
                alone = len(inputs_of(net)) == 1 < len(inputs_of(self))
                names.append(f"{inputs_of(net)[0]} alone" if alone else f"net {i + 1}")
        return [*names, *(part.kind for part in self.shallow_of(task))]

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        license: str | None = None,
        metrics: Mapping[str, float] | None = None,
        allow_infinite: bool = False,
        beside: Callable[[Path], None] | None = None,
    ) -> None:
        """Write the first net as `MultiTaskModel` does, and the other members beside it.

        Args:
            folder: Folder to write.
            license: Licence of the weights, for the card.
            metrics: Figures for the card.
            allow_infinite: Whether weights may be infinite or NaN, as in `MultiTaskModel`.
            beside: Function that writes further files, as in `MultiTaskModel`.

        Raises:
            ValueError: A part of a net is of a class that is not registered, or a weight is not finite.
            OSError: The files cannot be written.
        """

        def write(new: Path) -> None:
            self._write_members(new, allow_infinite=allow_infinite)
            if beside is not None:
                beside(new)

        self._net[0].save_pretrained(
            folder, license=license, metrics=metrics, allow_infinite=allow_infinite, beside=write
        )

    def _write_members(self, folder: Path, *, allow_infinite: bool) -> None:
        for i, net in enumerate(self.others):
            net.save_pretrained(folder / _NETS / f"{i + 2}", allow_infinite=allow_infinite)  # type: ignore[operator]
        shallow = [(name, part) for name in self.tasks for part in self.shallow_of(name)]
        tensors = {
            f"{i}.{name}": x.contiguous()
            for i, (_, part) in enumerate(shallow)
            for name, x in part.state_dict().items()
        }
        if tensors:
            save_file(tensors, str(folder / _SHALLOW))
        config: dict[str, Any] = {
            "nets": len(self.nets),
            "shallow": [{"task": name, "kind": part.kind, **part.config} for name, part in shallow],
            "weights": {name: weight.tolist() for name, weight in self.member_weights.items()},
        }
        write_json(folder / _FILE, config)


def inputs_of(net: MultiTaskModel) -> tuple[str, ...]:
    """Return the modalities that a net reads."""
    return net.fused_encoder.modalities


def _restricted(view: View, net: MultiTaskModel) -> View:
    """Return what a net reads of a view."""
    if len(inputs_of(net)) == len(view.inputs):
        return view
    inputs, masks, present = (
        {m: x for m, x in of.items() if m in inputs_of(net)} for of in (view.inputs, view.masks, view.present)
    )
    return View(inputs, masks, present, view.all_present, view.index)


def load_model(folder: str | Path) -> MultiTaskModel:
    """Load a net, or the several members that `TableEnsemble` saved; nothing in the folder is executed.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or of another model.
    """
    folder = Path(folder)
    net = load(MultiTaskModel, folder)
    if not (folder / _FILE).is_file():
        return net
    config = read_json_object(folder / _FILE, ("nets", "shallow", "weights"))
    others = [MultiTaskModel.from_pretrained(folder / _NETS / f"{i}") for i in range(2, config["nets"] + 1)]
    tensors = load_file(str(folder / _SHALLOW)) if config["shallow"] else {}
    shallow: dict[str, list[ShallowModel]] = {}
    for i, saved in enumerate(config["shallow"]):
        start = f"{i}."
        of_part = {n.removeprefix(start): x for n, x in tensors.items() if n.startswith(start)}
        shallow.setdefault(saved["task"], []).append(_KINDS[saved["kind"]].from_saved(saved, of_part))
    weights = {name: torch.tensor(values) for name, values in config["weights"].items()}
    return TableEnsemble([net, *others], shallow=shallow, weights=weights).eval()

"""Several nets and boosted trees as one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sennit.data import View
from sennit.files import read_json_object, write_json
from sennit.recipes.table.training.trees import BoostedTrees
from sennit.tasks import Classification, MultiLabel, MultiTaskModel, Task, TaskOutput
from sennit.tasks.shipping import load

_FILE, _NETS, _TREES = "ensemble.json", "nets", "trees.safetensors"
_LEAST = 1e-7  # probability


class TableEnsemble(MultiTaskModel):
    """A net that answers together with further nets of the same inputs, and with boosted trees.

    A further net has all tasks, or some: one of its own serves a task that a shared net serves badly. An
    answer is the weighted mean of the probabilities, or numbers, of the members that have the task. Where a
    row lacks the table that trees read, the nets answer. It is a `MultiTaskModel` in all that the first net
    is: inputs, tasks, preprocessing; features are the first net's.

    Source: Dietterich, "Ensemble Methods in Machine Learning", 2000.

    Args:
        nets: One net or more, the first with all tasks.
        trees: Trees by task.
        table: Modality that the trees read; empty without trees.
        weights: Weight of each net that has the task, then that of the trees, by task; equal by default.

    Raises:
        ValueError: A net of other tasks than the first, or weights of another number.
    """

    def __init__(
        self,
        nets: Sequence[MultiTaskModel],
        *,
        trees: Mapping[str, BoostedTrees] | None = None,
        table: str = "",
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
        self.others = nn.ModuleList(others)
        self.trees = nn.ModuleDict({f"task {name}": part for name, part in (trees or {}).items()})
        self.table, self._net = table, (first,)  # a tuple is not registered: its parts are above
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

    def _members(self, task: str) -> int:
        return len(self.nets_of(task)) + (f"task {task}" in self.trees)

    def train(self, mode: bool = True) -> TableEnsemble:
        super().train(mode)
        self._net[0].train(mode)
        return self

    def forward(self, data: View | Mapping[str, Tensor]) -> dict[str, TaskOutput]:
        """Return the output of each task that answers; see `MultiTaskModel`."""
        view = data if isinstance(data, View) else self._net[0]._checked_view(data)
        by_net = [net(view) for net in self.nets]
        outputs = {}
        for name in by_net[0]:
            members = [out[name].logits for out in by_net if name in out]
            weight = self.member_weights[name].to(members[0]).expand(len(members[0]), -1)
            if f"task {name}" in self.trees:
                members.append(self.tree_outputs(name, view).to(members[0]))
                weight = weight.clone()
                weight[:, -1] *= view.present[self.table]
                alone = weight.sum(1) == 0  # the trees have all the weight, and cannot read the row
                weight[:, :-1] += alone.unsqueeze(1) / (len(members) - 1)
            weight = weight / weight.sum(1, keepdim=True)
            outputs[name] = TaskOutput(combined(self.tasks[name], torch.stack(members), weight.T))
        return outputs

    def tree_outputs(self, task: str, view: View) -> Tensor:
        """Return the outputs of the trees of a task."""
        x = view.inputs[self.table].masked_fill(~view.present[self.table].unsqueeze(1), torch.nan)
        out: Tensor = self.trees[f"task {task}"](x)
        return out

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
        tensors = {
            f"{i}.{name}": x.contiguous()
            for i, part in enumerate(self.trees.values())
            for name, x in part.state_dict().items()
        }
        if tensors:
            save_file(tensors, str(folder / _TREES))
        config: dict[str, Any] = {
            "nets": len(self.nets),
            "trees": [name.removeprefix("task ") for name in self.trees],
            "table": self.table,
            "weights": {name: weight.tolist() for name, weight in self.member_weights.items()},
        }
        write_json(folder / _FILE, config)


def combined(task: Task, outputs: Tensor, weight: Tensor) -> Tensor:
    """Return the outputs whose answer is the weighted mean of the members' answers.

    Args:
        task: Task of the outputs.
        outputs: Output of each member.
        weight: Weight of each member, for each row; their sum over the members is 1.

    Shape:
        outputs ``[members, B, ...]``, weight ``[members, B]``, result ``[B, ...]``.
    """
    weight = weight.reshape(*weight.shape, *[1] * (outputs.dim() - 2))
    mean = (answers(task, outputs) * weight).sum(0)
    if type(task) is Classification:
        return mean.clamp_min(_LEAST).log()
    return mean.clamp(_LEAST, 1 - _LEAST).logit() if type(task) is MultiLabel else mean


def answers(task: Task, outputs: Tensor) -> Tensor:
    """Return what a mean is taken of: probabilities of classes and labels, else the outputs themselves."""
    if type(task) is Classification:
        return outputs.softmax(-1)
    return outputs.sigmoid() if type(task) is MultiLabel else outputs


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
    config = read_json_object(folder / _FILE, ("nets", "trees", "table", "weights"))
    others = [MultiTaskModel.from_pretrained(folder / _NETS / f"{i}") for i in range(2, config["nets"] + 1)]
    tensors = load_file(str(folder / _TREES)) if config["trees"] else {}
    trees = {
        task: BoostedTrees({n.removeprefix(f"{i}."): x for n, x in tensors.items() if n.startswith(f"{i}.")})
        for i, task in enumerate(config["trees"])
    }
    weights = {name: torch.tensor(values) for name, values in config["weights"].items()}
    return TableEnsemble([net, *others], trees=trees, table=config["table"], weights=weights).eval()

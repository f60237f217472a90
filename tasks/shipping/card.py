"""The model card: what a model reads, what it predicts, and how to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import ModelCardData

from sennit.encoders._base import Encoder
from sennit.tasks._base import Task

if TYPE_CHECKING:
    from sennit.tasks.model.network import Network

CARD = "README.md"
_MARK = "<!-- Written by Sennit. Without this line the file is yours, and is never overwritten. -->"

_USE = """
```python
from sennit.tasks import MultiTaskModel

model = MultiTaskModel.from_pretrained("{source}")
answer = model.predict({{{inputs}}})
```

`...` stands for a raw value, as above; all modalities except one may be left out. Give a list of
such mappings for many samples. Preprocessing is part of the model.
"""


def is_ours(path: Path) -> bool:
    """Return whether a card may be written: there is none yet, or one of this library."""
    return not path.is_file() or _MARK in path.read_text(encoding="utf-8", errors="replace")


def model_card(
    model: Network,
    *,
    source: str = "path/of/this/folder",
    license: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> str:
    """Return the card as Markdown, with the hub's metadata at its head.

    Args:
        model: Model that the card describes.
        source: Argument of ``from_pretrained`` in the example.
        license: Hub's name of the license; left out when None.
        metrics: Metrics to show, if any.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, MultiTaskModel
        >>> encoders = {"row": create_encoder("mlp", 3)}
        >>> tasks = {"animal": Classification(["cat", "dog"])}
        >>> model = MultiTaskModel(encoders=encoders, fusion=create_fusion("gated", encoders), tasks=tasks)
        >>> [line for line in model_card(model).splitlines() if "cat" in line]
        ['| animal | classification | cat, dog | all |']
    """
    leaves = model.fused_encoder.leaves()
    data = ModelCardData(
        license=license, library_name="sennit", tags=["sennit", "multimodal", "multi-task-learning"]
    )
    parts = {
        "fusion": model.fused_encoder.fusion.registry_name,
        "fused vector": f"{model.fused_encoder.embed_dim} numbers",
        "sharing": model.sharing.registry_name,
        "weighting": model.weighting.registry_name,
        "modality dropout": model.modality_dropout.extra_repr(),
        "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
    }
    sections = [
        f"---\n{data.to_yaml()}\n---\n\n{_MARK}",
        "# " + " + ".join(map(_cell, leaves)) + " → " + ", ".join(map(_cell, model.answering)),
        "A multi-modal, multi-task model, made with Sennit.",
        "## Reads",
        _table(("modality", "encoder", "a raw value", "transforms"), _inputs(model, leaves)),
        "## Predicts",
        _table(("task", "kind", "answers", "reads"), [_task(n, model.tasks[n]) for n in model.answering]),
        "## Parts",
        _table(("part", "value"), list(parts.items())),
        "## Use",
        _USE.format(source=source, inputs=", ".join(f"{name!r}: ..." for name in leaves)).strip(),
    ]
    if metrics:
        rows = [(name, f"{float(value):.4g}") for name, value in metrics.items()]
        sections += ["## Metrics", _table(("metric", "value"), rows)]
    return "\n\n".join(sections) + "\n"


def _inputs(model: Network, leaves: Mapping[str, Encoder]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, encoder in leaves.items():
        transforms = model.transforms.get(name)
        config = transforms.config if transforms else {"augment": [], "always": []}
        used = [t["name"] for t in (*config["augment"], *config["always"])]
        called = str(encoder.config.get("model_name", ""))  # a family's name ends in "/"
        rows.append((name, encoder.registry_name + called, encoder.describe_raw(), ", ".join(used) or "none"))
    return rows


def _task(name: str, task: Task) -> tuple[str, ...]:
    names: Sequence[str] = getattr(task, "classes", None) or getattr(task, "labels", None) or ()
    shown = ", ".join(names[:20]) + (f" … ({len(names)} in all)" if len(names) > 20 else "")
    return name, task.kind, shown or f"numbers: {task.out_dim}", ", ".join(task.reads or ()) or "all"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())

"""Saving and loading of models: config as JSON, weights as safetensors, nothing executed."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model

from sennit.data import Transforms
from sennit.data.random_state import keyed_random_state
from sennit.disk_faults import disk_fault
from sennit.files import json_object, read_json_object, sha256, write_json
from sennit.fusion import FUSIONS, build_encoders
from sennit.fusion.modality_dropout import ModalityDropout
from sennit.registry import unknown_name
from sennit.tasks._base import TASKS
from sennit.tasks.sharing._base import SHARINGS
from sennit.tasks.shipping._model_files import ASSETS, CONFIG, WEIGHTS, check_files, exchange
from sennit.tasks.shipping.card import CARD, is_ours, model_card
from sennit.tasks.training.finite import infinite_weight
from sennit.tasks.weighting._base import WEIGHTINGS

if TYPE_CHECKING:
    from sennit.tasks.model.network import Network

M = TypeVar("M", bound="Network")
_KEYS = ("name", "encoders", "fusion", "tasks", "sharing", "weighting", "modality_dropout", "transforms")


def save(
    model: Network,
    folder: Path,
    *,
    license: str | None = None,
    metrics: Mapping[str, float] | None = None,
    allow_infinite: bool = False,
    beside: Callable[[Path], None] | None = None,
) -> None:
    """Write ``config.json``, ``model.safetensors``, ``assets/<modality>/`` and the card ``README.md``.

    Everything is written beside the folder first and moved in at the end, so that a failure leaves an older
    model as it was. The weights carry the checksum of their config, and the config the checksums of the other
    files. A ``README.md`` that is not of this library stays.

    Args:
        model: Model.
        folder: Folder to write.
        license: Licence of the weights, for the card.
        metrics: Figures for the card.
        allow_infinite: Whether weights may be NaN or infinite.
        beside: Function that writes further files of the model to the folder that it is given.

    Raises:
        ValueError: A part of the model is of a class that is not registered; it is named. The config does
            not rebuild the model. A weight is NaN or infinite, without ``allow_infinite``.
        OSError: The files cannot be written.
    """
    for part in _parts(model.config):
        if not part["name"]:
            raise ValueError(
                f"every part of a model should be registered, to be saved. Found one that is not, with "
                f"the options {sorted(set(part) - {'name'})}. Put the register decorator of its kind "
                f"(`register_encoder` ...) above the class."
            )
    fault = None if allow_infinite else infinite_weight(model)
    if fault is not None:
        raise ValueError(
            f"the weights of a saved model should be finite. Found NaN or infinity in '{fault}'. Train it "
            f"again at a lower learning rate; allow_infinite=True saves it as it is, to look for the cause."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
            new, old = Path(name) / "new", Path(name) / "old"
            new.mkdir()
            _write(model, new, beside)
            _check_readable(model, new)
            if is_ours(folder / CARD):
                card = model_card(model, license=license, metrics=metrics)
                (new / CARD).write_text(card, encoding="utf-8")
            folder.mkdir(exist_ok=True)
            exchange(new, folder, old)
    except (OSError, SafetensorError) as error:
        size = sum(x.nbytes for x in model.state_dict().values()) / 1e6
        raise OSError(
            f"a model of {size:.1f} MB could not be written to '{folder}': {disk_fault(error)} What was "
            f"there is as it was."
        ) from error


def _write(model: Network, new: Path, beside: Callable[[Path], None] | None) -> None:
    save_model(model, str(new / WEIGHTS), metadata={"config": _checksum(model.config)})
    for i, encoder in enumerate(model.fused_encoder.leaves().values()):
        assets = new / ASSETS / f"{i}"
        assets.mkdir(parents=True)
        encoder.save_assets(assets)
        if not any(assets.iterdir()):
            shutil.rmtree(assets)
    if beside is not None:
        beside(new)
    files = {p.relative_to(new).as_posix(): sha256(p) for p in sorted(new.rglob("*")) if p.is_file()}
    write_json(new / CONFIG, {**model.config, "files": files})


def _check_readable(model: Network, new: Path) -> None:
    """Refuse a model that its written config does not rebuild; random numbers stay as they were."""
    try:
        with keyed_random_state((0,)):
            load(type(model), new)
    except ValueError as error:
        fault = " ".join(str(error).replace(f"{new}/", "").split())
        raise ValueError(
            f"a saved model should be one that its config rebuilds. Found one that differs: {fault} Do two "
            f"parts share a tensor, or was a part changed after it was made? Give one encoder under both "
            f"names, make such changes in a constructor, or keep `model.state_dict()` and build it yourself."
        ) from None


def load(kind: type[M], folder: Path) -> M:
    """Load the model that `save` wrote.

    Args:
        kind: Class of the model.
        folder: Folder that `save` wrote.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: An unknown config key, a file that is truncated or was changed, or weights that belong to
            another config.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"'{folder}' should hold {name}. Give a folder of `save_pretrained`.")
    config = read_json_object(folder / CONFIG)
    files = json_object(config.pop("files", {}), f"'files' in '{folder / CONFIG}'")
    for key in config:
        if key not in _KEYS:
            raise unknown_name(f"key in '{folder / CONFIG}'", key, _KEYS)
    for key in _KEYS:
        if key not in config:
            raise ValueError(f"'{folder / CONFIG}' should have the key '{key}'. Found {sorted(config)}.")
    try:
        with safe_open(folder / WEIGHTS, "pt") as weights:
            checksum = (weights.metadata() or {}).get("config")
            shapes = {name: (*weights.get_slice(name).get_shape(),) for name in weights.keys()}  # noqa: SIM118
    except SafetensorError:
        raise ValueError(f"'{folder / WEIGHTS}' cannot be read as safetensors. Is it truncated?") from None
    if checksum != _checksum(config):
        raise ValueError(
            f"'{folder / WEIGHTS}' was saved with another config than '{folder / CONFIG}'. Take both "
            f"from one `save_pretrained`."
        )
    check_files(folder, files)
    encoders = build_encoders(config["encoders"])
    model = kind(
        encoders=encoders,
        fusion=FUSIONS.build(config["fusion"], encoders),
        tasks={name: TASKS.build(part) for name, part in config["tasks"]},
        sharing=SHARINGS.build(config["sharing"]),
        weighting=WEIGHTINGS.build(config["weighting"]),
        modality_dropout=ModalityDropout.from_config(config["modality_dropout"]),
        transforms={name: Transforms(**options) for name, options in config["transforms"]},
    )
    _load_weights(model, folder / WEIGHTS, shapes)
    for i, encoder in enumerate(model.fused_encoder.leaves().values()):
        if (folder / ASSETS / f"{i}").is_dir():
            encoder.load_assets(folder / ASSETS / f"{i}")
    return model.eval()


def _load_weights(model: Network, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Load weights of these shapes, if they are those of the model exactly."""
    expected = {name: (*x.shape,) for name, x in model.state_dict().items()}
    other = [name for name, shape in shapes.items() if expected.get(name, shape) != shape]
    absent, unknown = ((), ()) if other else load_model(model, str(path), strict=False)
    faults = {"of another shape": other, "missing": sorted(absent), "unknown": sorted(unknown)}
    for kind, names in faults.items():
        if names:
            raise ValueError(
                f"'{path}' is of another model: {len(names)} of its weights are {kind}, such as '{names[0]}'."
            )


def _checksum(config: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _parts(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the config of every part, however deep."""
    if "name" in config:
        yield config
    for value in config.values():
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, list) and len(child) == 2:
                child = child[1]
            if isinstance(child, dict) and "name" in child:
                yield from _parts(child)

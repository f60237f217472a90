from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset, Collate, InputSpec, TargetSpec, Transforms
from sennit.encoders import Encoder, EncoderOutput, TapInfo, create_encoder
from sennit.encoders.present_rows import encode_present_rows
from sennit.encoders.taps import pool
from sennit.fusion import FusedEncoder, create_fusion
from sennit.search.taps.cache_taps import TapCache, cache_taps
from tests.disk import file_size_limit


class Normed(Encoder):
    """Batch statistics and dropout, and a count of its forwards."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.input_spec = InputSpec((size,))
        self.embed_dim, self.token_dim = 4, None
        self.tap_info = (TapInfo("hidden", 6, "BC"),)
        self.map, self.norm, self.out = nn.Linear(size, 6), nn.BatchNorm1d(6), nn.Linear(6, 4)
        self.dropout = nn.Dropout(0.5)
        self.forwards = 0

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        self.forwards += 1
        hidden = self.norm(self.map(x))
        return EncoderOutput(self.out(self.dropout(hidden)), taps={"hidden": hidden})


@pytest.fixture
def encoders() -> dict[str, Any]:
    return {"a": Normed(3), "b": create_encoder("tcn", 2, width=4, depth=1)}


def some(size: int = 23, *, missing: bool = True) -> Batch:
    """Vectors and padded series; where anything is missing, some rows lack one of them."""
    lengths = 2 + torch.arange(size) % 5
    present = {"a": torch.arange(size) % 4 != 1, "b": torch.arange(size) % 4 != 2} if missing else None
    return Batch.of(
        {"a": torch.randn(size, 3) + 2, "b": torch.randn(size, 6, 2)},
        masks={"b": torch.arange(6) < lengths[:, None]},
        present=present,
        targets={"y": torch.arange(size) % 3, "z": torch.randn(size, 2)},
        labelled={"z": torch.rand(size, 2) < 0.5},
    )


def noisy(batch: Batch) -> Batch:
    return Batch.of({m: x + torch.randn_like(x) for m, x in batch.inputs.items()}, targets=batch.targets)


# What is kept


@pytest.mark.parametrize("missing", [False, True])
def test_taps_are_what_the_encoders_give_one_by_one(
    encoders: dict[str, Any], missing: bool, tmp_path: Path
) -> None:
    batch = some(missing=missing)
    cache = cache_taps(encoders, BatchDataset(batch), tmp_path, batch_size=7)
    assert len(cache) == 23
    assert (cache.present is None) is not missing
    for m, encoder in encoders.items():
        encoder.eval()
        assert list(cache.taps[m]) == [*(t.name for t in encoder.tap_info), "pooled"]
        with torch.no_grad():
            out = encode_present_rows(
                encoder, batch.inputs[m], batch.masks.get(m), batch.present[m], all_present=False
            )
        for info in encoder.tap_info:
            own = pool(out.taps[info.name], info.layout, out.tap_masks.get(info.name))
            torch.testing.assert_close(cache.taps[m][info.name], own)
        torch.testing.assert_close(cache.taps[m]["pooled"], out.pooled)
        if cache.present is not None:
            assert torch.equal(cache.present[m], batch.present[m])
            for tap in cache.taps[m].values():
                assert not tap[~batch.present[m]].any()
    for name, target in batch.targets.items():
        assert torch.equal(cache.targets[name], target)
        assert torch.equal(cache.labelled[name], batch.labelled[name])


def test_a_modality_absent_from_a_whole_batch_is_zeros(encoders: dict[str, Any], tmp_path: Path) -> None:
    batch = some(8)
    present = {"a": torch.arange(8) < 4, "b": torch.arange(8) >= 4}
    batch = Batch.of(batch.inputs, masks=batch.masks, present=present)
    cache = cache_taps(encoders, BatchDataset(batch), tmp_path, batch_size=4)
    assert not cache.taps["a"]["pooled"][4:].any()
    assert not cache.taps["b"]["pooled"][:4].any()
    assert cache.taps["b"]["pooled"][4:].any(1).all()


def test_feature_maps_are_averaged_over_space(tmp_path: Path) -> None:
    encoder = create_encoder("conv", 1, image_size=8, widths=(4, 6), embed_dim=5)
    batch = Batch.of({"image": torch.rand(3, 1, 8, 8)})
    cache = cache_taps({"image": encoder}, BatchDataset(batch), tmp_path)
    with torch.no_grad():
        out = encoder.eval()(batch.inputs["image"])
    for info in encoder.tap_info:
        torch.testing.assert_close(cache.taps["image"][info.name], out.taps[info.name].mean((2, 3)))


def test_datasets_of_samples_and_loaders_give_the_same_rows(encoders: dict[str, Any], tmp_path: Path) -> None:
    batch = some(missing=False)
    samples = [
        {"inputs": {"a": batch.inputs["a"][i], "b": batch.inputs["b"][i][batch.masks["b"][i]]}, "targets": {}}
        for i in range(23)
    ]
    collate = Collate({m: e.input_spec for m, e in encoders.items()}, {"y": TargetSpec()})
    by_index = cache_taps(encoders, samples, tmp_path, collate=collate, batch_size=5)
    loader = DataLoader(samples, batch_size=6, collate_fn=collate)  # type: ignore[arg-type]
    by_loader = cache_taps(encoders, loader, tmp_path)
    whole = cache_taps(encoders, [batch], tmp_path)
    for other in (by_index, by_loader):
        for m in encoders:
            torch.testing.assert_close(other.taps[m]["pooled"], whole.taps[m]["pooled"])
    assert not by_index.labelled["y"].any()


# Frozen


def test_batch_statistics_do_not_drift_and_encoders_are_left_as_they_were(
    encoders: dict[str, Any], tmp_path: Path
) -> None:
    encoders["a"].train()
    encoders["a"].norm.eval()
    encoders["a"].map.weight.requires_grad_(False)
    before = {k: v.clone() for k, v in encoders["a"].state_dict().items()}
    cache = cache_taps(encoders, BatchDataset(some()), tmp_path)
    assert all(torch.equal(v, before[k]) for k, v in encoders["a"].state_dict().items())
    assert encoders["a"].training
    assert encoders["a"].dropout.training
    assert not encoders["a"].norm.training
    assert not encoders["a"].map.weight.requires_grad
    assert encoders["a"].out.weight.requires_grad
    assert torch.is_grad_enabled()
    assert not cache.taps["a"]["pooled"].requires_grad


def test_encoders_are_left_as_they_were_after_a_fault(encoders: dict[str, Any], tmp_path: Path) -> None:
    batches = [some(8, missing=False), some(8, missing=False)]
    batches[1] = Batch.of(batches[1].inputs, masks=batches[1].masks, targets={"y": torch.zeros(8)})
    with pytest.raises(ValueError, match="every batch should have the arrays of the first"):
        cache_taps(encoders, batches, tmp_path)
    assert encoders["a"].training
    assert torch.is_grad_enabled()
    assert list(tmp_path.iterdir()) == []


# Once


def test_a_second_call_runs_no_encoder(encoders: dict[str, Any], tmp_path: Path) -> None:
    data = BatchDataset(some())
    first = cache_taps(encoders, data, tmp_path, batch_size=8)
    assert encoders["a"].forwards == 3
    again = cache_taps(encoders, data, tmp_path, batch_size=8)
    assert encoders["a"].forwards == 3
    assert again.key == first.key
    assert torch.equal(again.taps["a"]["pooled"], first.taps["a"]["pooled"])


def test_a_named_cache_is_opened_without_reading_the_data(encoders: dict[str, Any], tmp_path: Path) -> None:
    class Counted(BatchDataset):
        reads = 0

        def __getitems__(self, rows: list[int]) -> Any:
            self.reads += len(rows)
            return super().__getitems__(rows)

    data = Counted(some())
    first = cache_taps(encoders, data, tmp_path, key="rows of Monday")
    data.reads = 0
    assert cache_taps(encoders, data, tmp_path, key="rows of Monday").key == first.key
    assert data.reads == 0
    assert cache_taps(encoders, data, tmp_path, key="rows of Tuesday").key != first.key
    assert data.reads > 0


def test_anything_that_changes_the_taps_changes_the_key(encoders: dict[str, Any], tmp_path: Path) -> None:
    batch = some()
    keys = [cache_taps(encoders, BatchDataset(batch), tmp_path).key]
    encoders["a"].norm.running_mean += 1
    keys.append(cache_taps(encoders, BatchDataset(batch), tmp_path).key)
    target = {**batch.targets, "y": batch.targets["y"] + 1}
    other = Batch.of(batch.inputs, masks=batch.masks, present=batch.present, targets=target)
    keys.append(cache_taps(encoders, BatchDataset(other), tmp_path).key)
    keys.append(cache_taps(encoders, BatchDataset(batch), tmp_path, renderings=2).key)
    keys.append(cache_taps({"b": encoders["b"]}, BatchDataset(batch), tmp_path).key)
    assert len(set(keys)) == 5


def test_a_pickled_cache_opens_its_files_again(encoders: dict[str, Any], tmp_path: Path) -> None:
    cache = cache_taps(encoders, BatchDataset(some()), tmp_path)
    text = pickle.dumps(cache)
    assert len(text) < 500
    again: TapCache = pickle.loads(text)
    assert torch.equal(again.taps["b"]["pooled"], cache.taps["b"]["pooled"])
    again.taps["b"]["pooled"].zero_()  # reaches no file
    assert pickle.loads(text).taps["b"]["pooled"].any()


# Augmentation


def test_augmented_data_are_refused_with_the_fix(encoders: dict[str, Any], tmp_path: Path) -> None:
    data = BatchDataset(some(missing=False), transform=noisy)
    with pytest.raises(ValueError, match=r"another first batch the second time: .*Give `renderings=4`"):
        cache_taps(encoders, data, tmp_path)
    shuffled = DataLoader(data, batch_size=8, shuffle=True, collate_fn=data.collate)
    with pytest.raises(ValueError, match="or shuffled"):
        cache_taps(encoders, shuffled, tmp_path)
    assert encoders["a"].forwards == 0


def test_renderings_are_other_draws_of_each_sample_under_a_fixed_seed(
    encoders: dict[str, Any], tmp_path: Path
) -> None:
    batch = Batch.of(some(10, missing=False).inputs, targets={"y": torch.arange(10)})
    data = BatchDataset(batch, transform=noisy)
    state = torch.get_rng_state()
    cache = cache_taps(encoders, data, tmp_path, renderings=3, batch_size=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(cache) == 30
    assert cache.targets["y"].tolist() == 3 * list(range(10))
    rows = cache.taps["a"]["hidden"].reshape(3, 10, -1)
    assert not torch.isclose(rows[0], rows[1]).all(1).any()
    torch.manual_seed(5)
    assert cache_taps(encoders, data, tmp_path, renderings=3, batch_size=4).key == cache.key
    assert cache_taps(encoders, data, tmp_path, renderings=3, batch_size=4, seed=1).key != cache.key


def test_transforms_augment_where_there_are_renderings(tmp_path: Path) -> None:
    encoder = create_encoder("conv", 1, image_size=8, widths=(4,))
    samples = [{"inputs": {"image": np.full((8, 8), 9 * i, np.uint8)}, "targets": {}} for i in range(6)]
    noise = {"name": "torchvision/RandomInvert", "p": 0.5}
    options: dict[str, Any] = {"collate": Collate({"image": encoder.input_spec}, {})}
    plain = cache_taps({"image": encoder}, samples, tmp_path, **options, transforms={"image": Transforms()})
    transforms = {"image": Transforms(augment=[noise])}
    once = cache_taps({"image": encoder}, samples, tmp_path, **options, transforms=transforms)
    assert torch.equal(once.taps["image"]["pooled"], plain.taps["image"]["pooled"])
    twice = cache_taps({"image": encoder}, samples, tmp_path, **options, transforms=transforms, renderings=2)
    assert not torch.equal(*twice.taps["image"]["pooled"].chunk(2))
    always = {"image": Transforms(always=[noise])}
    with pytest.raises(ValueError, match="the data are augmented"):
        cache_taps({"image": encoder}, samples, tmp_path, **options, transforms=always)


def test_draws_from_a_generator_of_their_own_are_refused(encoders: dict[str, Any], tmp_path: Path) -> None:
    own = torch.Generator().manual_seed(0)

    def draw(batch: Batch) -> Batch:
        x = batch.inputs["a"]
        return Batch.of({**batch.inputs, "a": x + torch.randn(x.shape, generator=own)})

    with pytest.raises(ValueError, match="from the global generators of torch, NumPy or Python"):
        cache_taps(encoders, BatchDataset(some(missing=False), transform=draw), tmp_path, renderings=2)
    assert list(tmp_path.iterdir()) == []


# Faults


def test_a_fused_encoder_is_refused_by_name(encoders: dict[str, Any], tmp_path: Path) -> None:
    fused = FusedEncoder(encoders, create_fusion("concat", encoders, embed_dim=4))
    with pytest.raises(
        TypeError, match=r"Found a FusedEncoder for 'both'\. Give the encoder of each modality"
    ):
        cache_taps({"both": fused}, BatchDataset(some()), tmp_path)


def generator() -> Iterator[Batch]:
    yield some()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (generator(), TypeError, "can be read again. Found generator"),
        ([{"inputs": {}}], TypeError, "should yield batches. Found dict"),
        ([], ValueError, "at least one sample. Found none"),
        ([Batch.of({"a": torch.zeros(2, 3)})], ValueError, r"the modality 'b'. Found \['a'\]"),
        (7, TypeError, "Found int"),
    ],
)
def test_wrong_data_are_refused(
    encoders: dict[str, Any], data: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        cache_taps(encoders, data, tmp_path)


def test_a_full_disk_is_an_error_that_leaves_nothing(encoders: dict[str, Any], tmp_path: Path) -> None:
    with file_size_limit(2000), pytest.raises(OSError, match=r"taps of 500 samples .* the disk is full"):
        cache_taps(encoders, BatchDataset(some(500)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def damaged(folder: Path, how: str) -> None:
    if how == "index":
        text = (folder / "index.json").read_text()
        (folder / "index.json").write_text(text.replace('"size": 23', '"size": 24'))
    elif how == "half an index":
        text = (folder / "index.json").read_text()
        (folder / "index.json").write_text(text[: len(text) // 2])
    elif how == "no index":
        (folder / "index.json").unlink()
    elif how == "size":
        os.truncate(folder / "0.npy", 100)
    else:
        (folder / "0.npy").unlink()


@pytest.mark.parametrize("how", ["index", "half an index", "no index", "size", "file"])
def test_a_damaged_cache_is_refused_when_opened_and_made_anew(
    encoders: dict[str, Any], how: str, tmp_path: Path
) -> None:
    data = BatchDataset(some())
    cache = cache_taps(encoders, data, tmp_path)
    expected = cache.taps["a"]["pooled"].clone()
    damaged(cache.folder, how)
    with pytest.raises(ValueError, match=r"should be a complete cache of taps. Found .* Compute it again"):
        TapCache(cache.folder)
    again = cache_taps(encoders, data, tmp_path)
    assert torch.equal(again.taps["a"]["pooled"], expected)
    assert [path.name for path in tmp_path.iterdir()] == [cache.key]


def test_what_a_killed_process_left_is_swept_and_never_read(tmp_path: Path) -> None:
    code = (
        "import os, sys, torch; from sennit.data import *; from sennit.encoders import *\n"
        "from sennit.search import cache_taps\n"
        "batch = Batch.of({'a': torch.ones(40, 3)})\n"
        "torch.manual_seed(0); encoder = create_encoder('mlp', 3, embed_dim=4, width=4)\n"
        "calls, forward = [], encoder.forward\n"
        "def dies(*a):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 3 and sys.argv[2] == 'die': os.kill(os.getpid(), 9)\n"
        "    return forward(*a)\n"
        "encoder.forward = dies\n"
        "for _ in range(2):\n"
        "    cache_taps({'a': encoder}, BatchDataset(batch), sys.argv[1], batch_size=8); print(len(calls))\n"
    )
    found = [
        subprocess.run([sys.executable, "-c", code, str(tmp_path), how], capture_output=True, text=True)
        for how in ("die", "live")
    ]
    assert [run.returncode for run in found] == [-9, 0], found[1].stderr
    assert [run.stdout.split() for run in found] == [[], ["5", "5"]]
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "index.json").read_text())["size"] == 40

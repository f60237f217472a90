"""Modules under any name stay the ones that are registered."""

from torch import nn

from sennit.named_modules import NamedModules


def test_a_tool_that_exchanges_modules_is_followed() -> None:
    norms = NamedModules({"a.b": nn.BatchNorm1d(2), "c": nn.Linear(2, 2)})
    nn.SyncBatchNorm.convert_sync_batchnorm(norms)
    assert [type(module).__name__ for module in norms.values()] == ["SyncBatchNorm", "Linear"]
    assert norms["a.b"] is norms.values()[0] is dict(norms.items())["a.b"]


def test_a_replaced_module_is_found_under_its_name() -> None:
    names, other = NamedModules({"type": nn.Linear(2, 2), "x": nn.Linear(2, 2)}), nn.Linear(2, 3)
    names.replace("type", other)
    assert names["type"] is other
    assert list(names) == ["type", "x"]
    assert [module.out_features for module in names.values()] == [3, 2]

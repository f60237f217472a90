"""Options of early and intermediate fusions that make no sense are refused by name."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from sennit.fusion import create_fusion, list_fusions
from tests.parts import make_encoders

LEAST_ONE = {
    "bottleneck": ("num_bottlenecks", "depth", "heads"),
    "cross_attention": ("depth", "heads"),
    "early_tokens": ("depth", "heads"),
    "granger_clusters": ("clusters", "lags", "width", "kernel_size"),
    "perceiver": ("latents", "depth", "heads"),
    "stacked_autoencoders": ("depth",),
}
LEAST_ZERO = {
    "central_net": "auxiliary_weight",
    "cross_attention": "self_depth",
    "dynamic": "cost_weight",
    "early_concat": "depth",
    "early_mutual_information": "depth",
    "early_pca": "depth",
    "stacked_autoencoders": "reconstruction_weight",
}


@pytest.mark.parametrize(
    ("name", "option", "value", "should"),
    [
        *((n, o, 0, "1 or more") for n, options in LEAST_ONE.items() for o in options),
        *((n, o, -1, "0 or more") for n, o in LEAST_ZERO.items()),
        ("granger_clusters", "kernel_size", 4, "odd, and 1 or more"),
        ("dynamic", "temperature", 0.0, "above 0"),
        ("dynamic", "temperature", float("nan"), "above 0"),
        ("mmtm", "ratio", 0.0, "above 0"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(name: str, option: str, value: Any, should: str) -> None:
    with pytest.raises(ValueError, match=rf"`{option}` of .*should be .*{should}. Found {value}"):
        create_fusion(name, make_encoders(), **{option: value})


@pytest.mark.parametrize("name", list_fusions())
def test_no_width_is_refused_whatever_the_fusion(name: str) -> None:
    with pytest.raises(ValueError, match=rf"`embed_dim` of fusion '{name}' should be 1 or more. Found 0"):
        create_fusion(name, make_encoders(), embed_dim=0)


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        (["table"], r"`encoders` should be a mapping from modalities to encoders. Found \['table'\]"),
        ({"table": "mlp"}, r"`encoders\['table'\]` should be an Encoder.*Found 'mlp'"),
        ({"table": torch.nn.Linear(2, 2)}, r"`encoders\['table'\]` should be an Encoder.*Found Linear"),
    ],
)
def test_what_are_no_encoders_is_refused_by_name(encoders: Any, message: str) -> None:
    with pytest.raises(TypeError, match=re.compile(message, re.DOTALL)):
        create_fusion("early_pca", encoders)

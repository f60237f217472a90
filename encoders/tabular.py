"""Encoders of tables: a row of numbers and category codes, any of which may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.residual import ResidualBlock
from sennit.encoders.layers.table import TableFeatures, TableInputLevel
from sennit.encoders.layers.table_rows import Categories, TableRows, sizes_of
from sennit.encoders.layers.transformer import TransformerBlock
from sennit.encoders.layers.units import ColumnUnits
from sennit.encoders.types import EncoderOutput, TapInfo


class _TableEncoder(StagedEncoder):
    """Base of the encoders of tables."""

    raw_samples: ClassVar[str] = "a row: an array, or a list in which None is a missing cell"
    reads_float32 = True
    features: TableFeatures

    def __init__(self, num_features: int, categories: Categories, columns: Sequence[str]) -> None:
        super().__init__()
        self.input_spec = InputSpec((num_features,), torch.float64, allows_nan=True)
        self.rows = TableRows(num_features, categories, columns)

    def cast_input(self, x: Tensor) -> Tensor:
        return self.features.cast_input(x)

    def describe_raw(self) -> str:
        named = self.rows.columns
        return f"a mapping of {self.rows.described}; any may be missing" if named else self.raw_samples

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set mean and scale of the numeric columns from training rows; missing cells are left out."""
        self.features.fit(x)

    def input_scale(self) -> Tensor:
        """Return the standard deviation of the numeric columns, and 0 for categorical ones."""
        scale = self.features.standardise.scale.to(self.features.like.dtype)
        return torch.cat([scale, scale.new_zeros(self.features.num_features - len(scale))])

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the tensor of a row: an array, a list in which None is a missing cell, or a mapping.

        Raises:
            ValueError: An unknown column, a text that is no number, or an unknown value of a category.
        """
        return torch.as_tensor(self.rows.read(raw), dtype=self.input_spec.dtype)

    def columns_to_tensor(self, columns: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(columns, 1)).to(self.input_spec.dtype)

    def input_level(self) -> Encoder:
        return TableInputLevel(self.features, self.input_spec)

    def run_stage(self, level: int, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.stages[level](hidden), None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        """Run the stages one after the other; a table has no mask."""
        hidden, _ = self.stem(x, mask)
        taps = {}
        for info, stage in zip(self.tap_info, self.stages, strict=True):
            taps[info.name] = hidden = stage(hidden)
        return self.finish(taps, {})


@register_encoder("mlp")
class MLPEncoder(_TableEncoder):
    """Residual perceptron over the columns of a table, or a plain one.

    Source: the ResNet of Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data",
    NeurIPS 2021, section 3.2, with LayerNorm in place of BatchNorm; the plain one is their MLP,
    section 3.1, ``x ← Dropout(ReLU(Linear(x)))`` in each block.

    Args:
        num_features: Number of columns, the categorical ones included.
        categories: Number of values of each of the trailing, categorical columns, or their names. Cells
            hold codes from 0, as floats.
        columns: Names of the columns, by which a raw row may be given as a mapping.
        embed_dim: Size of the output.
        width: Size of the hidden state and of each tap.
        depth: Number of blocks; one tap for each.
        dropout: Dropout probability within the blocks.
        category_dim: Size of the vector of a category.
        residual: Whether blocks have a residual path and a LayerNorm.

    Shape:
        ``[B, num_features]``, NaN where a cell is missing; pooled ``[B, embed_dim]``, taps
        ``[B, width]``, no tokens.

    Raises:
        ValueError: A category code outside its column's range.

    Example:
        >>> encoder = MLPEncoder(3, categories=(5,))
        >>> encoder(torch.tensor([[0.1, float("nan"), 4.0]])).pooled.shape
        torch.Size([1, 128])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("num_features", "embed_dim", "width", "depth", "category_dim")

    def __init__(
        self,
        num_features: int,
        *,
        categories: Categories = (),
        columns: Sequence[str] = (),
        embed_dim: int = 128,
        width: int = 128,
        depth: int = 2,
        dropout: float = 0.1,
        category_dim: int = 8,
        residual: bool = True,
    ) -> None:
        super().__init__(num_features, categories, columns)
        self.embed_dim = embed_dim
        self.tap_info = tuple(TapInfo(f"block{i + 1}", width, "BC") for i in range(depth))
        sizes = sizes_of(categories)
        self.features = TableFeatures(num_features, categories=sizes, category_dim=category_dim)
        self.project = nn.Linear(self.features.out_dim, width)
        if residual:
            self.stages = nn.ModuleList(ResidualBlock(width, dropout=dropout) for _ in range(depth))
            self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, embed_dim))
            return
        # The linear map of the first block is `project`.
        maps: list[list[nn.Module]] = [[]] + [[nn.Linear(width, width)] for _ in range(depth - 1)]
        self.stages = nn.ModuleList(nn.Sequential(*linear, nn.ReLU(), nn.Dropout(dropout)) for linear in maps)
        self.head = nn.Sequential(nn.Linear(width, embed_dim))

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return self.project(self.cast(self.features(x))), None

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        return EncoderOutput(self.head(taps[self.tap_info[-1].name]), taps=taps)


@register_encoder("ft_transformer")
class FTTransformerEncoder(_TableEncoder):
    """Feature tokenizer and transformer: each column is a token.

    Source: Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021,
    section 3.3. A missing number is its mean plus a learned vector. Blocks are `TransformerBlock`: GELU
    where the paper has ReGLU, a norm before the first attention too, and no ReLU before the head.

    Args:
        num_features: Number of columns, the categorical ones included.
        categories: Number of values of each of the trailing, categorical columns, or their names. Cells
            hold codes from 0, as floats.
        columns: Names of the columns, by which a raw row may be given as a mapping.
        embed_dim: Size of the output, of the tokens and of each tap.
        depth: Number of transformer blocks; one tap for each.
        heads: Number of attention heads.
        mlp_ratio: Hidden size of the perceptrons over ``embed_dim``.
        dropout: Dropout probability of the residual branches.
        attention_dropout: Dropout probability of the attention weights.

    Shape:
        ``[B, num_features]``, NaN where a cell is missing; pooled ``[B, embed_dim]`` (the class
        token), tokens ``[B, num_features, embed_dim]``, taps ``[B, 1 + num_features, embed_dim]``.

    Raises:
        ValueError: A category code outside its column's range.

    Example:
        >>> encoder = FTTransformerEncoder(3, categories=(5,), embed_dim=16)
        >>> encoder(torch.tensor([[0.1, float("nan"), 4.0]])).tokens.shape
        torch.Size([1, 3, 16])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("num_features", "embed_dim", "depth", "heads")

    def __init__(
        self,
        num_features: int,
        *,
        categories: Categories = (),
        columns: Sequence[str] = (),
        embed_dim: int = 64,
        depth: int = 2,
        heads: int = 4,
        mlp_ratio: float = 2.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__(num_features, categories, columns)
        self.embed_dim = self.token_dim = embed_dim
        self.tap_info = tuple(TapInfo(f"layer{i + 1}", embed_dim, "BTC") for i in range(depth))
        sizes = sizes_of(categories)
        self.features = TableFeatures(num_features, categories=sizes, category_dim=embed_dim)

        def vectors(count: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(count, embed_dim).uniform_(-1, 1) / embed_dim**0.5)

        self.cls, self.bias = vectors(1), vectors(num_features)
        self.weight, self.missing = vectors(self.features.num_numeric), vectors(self.features.num_numeric)
        self.stages = nn.ModuleList(
            TransformerBlock(
                embed_dim,
                heads,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                attention_dropout=attention_dropout,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim)

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        values, missing, categories = self.features.cells(x)
        values, missing = self.cast(values), self.cast(missing)
        tokens = values.unsqueeze(-1) * self.weight + missing.unsqueeze(-1) * self.missing
        if categories is not None:
            tokens = torch.cat([tokens, categories], 1)
        return torch.cat([self.cls.expand(x.shape[0], 1, -1), tokens + self.bias], 1), None

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        hidden = self.norm(taps[self.tap_info[-1].name])
        return EncoderOutput(hidden[:, 0], hidden[:, 1:], taps=taps)

    def token_units(self) -> ColumnUnits | None:
        return ColumnUnits(self.features) if self.features.num_numeric else None

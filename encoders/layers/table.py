"""The cells of a table: numbers standardised, categories embedded, missing cells marked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder
from sennit.encoders.layers.standardise import Standardise
from sennit.encoders.types import EncoderOutput


class TableFeatures(nn.Module):
    """Vectors without NaN from the rows of a table, whose missing cells are NaN.

    A number becomes its standardised value (0, the mean, where it is missing) and an indicator of
    being missing. A category becomes a learned vector; being missing has a vector of its own.

    Args:
        num_features: Number of columns, the categorical ones included.
        categories: Number of values of each of the trailing, categorical columns.
        category_dim: Size of the vector of a category.

    Shape:
        ``[B, num_features]`` to ``[B, out_dim]``.

    Raises:
        ValueError: More categorical columns than columns, or a code outside its column's range
            (checked on the CPU only; elsewhere such a code counts as missing).

    Example:
        >>> features = TableFeatures(3, categories=(4,), category_dim=2)
        >>> features(torch.tensor([[0.5, float("nan"), 3.0]]))[0, :4].tolist()
        [0.5, 0.0, 0.0, 1.0]
    """

    cardinality: Tensor
    offset: Tensor
    like: Tensor

    def __init__(self, num_features: int, *, categories: Sequence[int] = (), category_dim: int = 8) -> None:
        super().__init__()
        self.num_numeric = num_features - len(categories)
        if num_features < 1 or self.num_numeric < 0:
            raise ValueError(
                f"`num_features` should count every column, the {len(categories)} categorical ones "
                f"included. Found {num_features}."
            )
        self.num_features = num_features
        self.out_dim = 2 * self.num_numeric + len(categories) * category_dim
        self.standardise = Standardise(self.num_numeric, torch.float64)
        self.register_buffer("like", torch.empty(0), persistent=False)  # of the type of the model
        cardinality = torch.tensor(categories, dtype=torch.long)
        self.register_buffer("cardinality", cardinality, persistent=False)
        self.register_buffer("offset", (cardinality + 1).cumsum(0) - cardinality - 1, persistent=False)
        self.largest = max(categories, default=1) - 1
        self.embedding = nn.Embedding(sum(c + 1 for c in categories), category_dim) if categories else None
        if (
            self.embedding is not None
        ):  # as the vectors of numbers in the FT-Transformer; PyTorch's is N(0, 1)
            nn.init.uniform_(self.embedding.weight, -(category_dim**-0.5), category_dim**-0.5)

    def fit(self, x: Tensor) -> None:
        """Set mean and scale of the numeric columns from training data; NaN is left out."""
        if x.dim() != 2 or x.shape[1] != self.num_features:
            raise ValueError(f"`x` should have shape [rows, {self.num_features}]. Found {(*x.shape,)}.")
        self.standardise.fit(x[:, : self.num_numeric])

    def cells(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return standardised numbers, their missing indicators ``[B, N]``, and categories ``[B, C, D]``.

        Numbers are standardised in double precision: an offset of 10⁹ takes no digit of their differences.
        """
        numeric, coded = x[:, : self.num_numeric], x[:, self.num_numeric :]
        missing = numeric.isnan()
        mean, scale = self.standardise.mean, self.standardise.scale
        values = (torch.where(missing, mean, numeric) - mean) / scale
        values = values.to(torch.promote_types(self.like.dtype, torch.float32))
        categories = None if self.embedding is None else self.embedding(self._codes(coded))
        return values, missing.to(values.dtype), categories

    def forward(self, x: Tensor) -> Tensor:
        values, missing, categories = self.cells(x)
        cells = [values, missing] if categories is None else [values, missing, categories.flatten(1)]
        return torch.cat(cells, 1)

    def cast_input(self, x: Tensor) -> Tensor:
        """Return rows in single precision, or in double where they are.

        Raises:
            ValueError: Their type rounds category codes.
        """
        if not x.is_floating_point():
            return x
        dtype, exact = x.dtype, 2 / torch.finfo(x.dtype).eps
        if self.largest > exact:
            raise ValueError(
                f"category codes up to {self.largest} should be float32. Found {dtype}, which has no "
                f"whole numbers of their own above {exact:g}. Give float32, to a model in half precision too."
            )
        return x.to(torch.promote_types(dtype, torch.float32))

    def _codes(self, coded: Tensor) -> Tensor:
        """Return rows of the embedding; the last row of each column stands for a missing cell."""
        is_code = (coded >= 0) & (coded < self.cardinality) & (coded == coded.floor())
        if coded.device.type == "cpu" and not torch.compiler.is_compiling():
            wrong = ~(is_code | coded.isnan())
            if bool(wrong.any()):
                row, column = wrong.nonzero()[0].tolist()
                raise ValueError(
                    f"column {self.num_numeric + column} should hold category codes from 0 to "
                    f"{int(self.cardinality[column]) - 1}, or NaN where missing. Found "
                    f"{coded[row, column].item():g} in row {row}. Mark unknown categories as NaN."
                )
        return self.offset + torch.where(is_code, coded, self.cardinality).long()


class TableInputLevel(Encoder):
    """The features of a table, in which only the vectors of categories are learned.

    Args:
        features: Features shared with the encoder whose front this is.
        input_spec: Input specification of that encoder.

    Shape:
        ``[B, num_features]``; pooled ``[B, features.out_dim]``.
    """

    reads_float32 = True

    def __init__(self, features: TableFeatures, input_spec: InputSpec) -> None:
        super().__init__()
        self.features = features
        self.input_spec = input_spec
        self.embed_dim = features.out_dim

    def cast_input(self, x: Tensor) -> Tensor:
        return self.features.cast_input(x)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        return EncoderOutput(self.cast(self.features(x)))

"""An embedding in which the neighbours of a sample are of its class."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.metric._embedding import EmbeddingTask, squared_distances

_SMALLEST, _LARGEST = 1e-3, 1e3  # temperature


@register_task("soft_nearest_neighbour")
class SoftNearestNeighbour(EmbeddingTask):
    """An embedding trained so that a neighbour, drawn by its distance, is of the sample's class.

    ``ℓ = −log(Σ_j e^{−‖x_i − x_j‖² / T} / Σ_k e^{−‖x_i − x_k‖² / T})``, with j the others of the class and k
    all others; zero for a sample that is alone in its class. Embeddings have length 1.
    Source: Frosst et al. 2019, "Analyzing and Improving Representations with the Soft Nearest Neighbor Loss"
    (eq. 1, §2.1); Goldberger et al. 2004, "Neighbourhood Components Analysis".

    Args:
        size: Size of the embedding.
        temperature: Temperature T at the start, on the scale of squared distances, which are from 0 to 4.
        learns_temperature: Whether T is learned, from 0.001 to 1,000.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size]``, target ``[B]`` (class indices), loss ``[B]``.

    Raises:
        ValueError: The size is below 1, or the temperature is not above 0.

    Example:
        >>> task = SoftNearestNeighbour(2, temperature=1.0)
        >>> task.loss(torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 0, 1])).detach()
        tensor([0.6931, 0.6931, 0.0000])
    """

    kind = "soft_nearest_neighbour"
    log_temperature: Tensor

    def __init__(
        self,
        size: int = 128,
        *,
        temperature: float = 1.0,
        learns_temperature: bool = True,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(size, **options)
        if not 0 < temperature < math.inf:
            raise ValueError(f"`temperature` should be above 0. Found {temperature}.")
        start = torch.tensor(math.log(temperature))
        if learns_temperature:
            self.log_temperature = nn.Parameter(start)
        else:
            self.register_buffer("log_temperature", start)

    def compare(self, output: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        near = -squared_distances(self.scores(output)) / self.log_temperature.double().exp()
        has = positive.any(1)
        other = (positive | negative) & has[:, None]
        whole, of_class = (
            near.where(chosen, -torch.inf).where(has[:, None], 0.0).logsumexp(1)
            for chosen in (other, positive)
        )
        return (whole - of_class).where(has, 0.0)

    def after_step(self) -> None:
        """Keep a learned temperature in its range."""
        with torch.no_grad():
            self.log_temperature.clamp_(math.log(_SMALLEST), math.log(_LARGEST))

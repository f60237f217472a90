"""Clusters of a model's features as classes to predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import torch
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional as F

from sennit.data.order import rank_and_world_size
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.memory.k_means import k_means
from sennit.tasks.memory.sample_memory import SampleMemory


@register_task("deep_cluster")
class DeepCluster(Task):
    """Classification of samples into the clusters of what the head reads, found anew before each epoch.

    A pass over the data, ``fit(passes={<name of the task>: loader})``, gives the features of all samples, of
    the whole of what the head reads. They are reduced by PCA and whitened, scaled to length 1 and clustered
    by k-means. The head, whose classes then mean something else, is made anew, with its optimizer's state.
    Each sample's loss is weighted by ``N / (K n_k)``, n_k of N samples being in its cluster: in the mean that
    is uniform sampling over the clusters, and without it all samples end in one.
    Source: Caron et al. 2018, "Deep Clustering for Unsupervised Learning of Visual Features" (§3.3).

    Every sample needs an id, ``Batch.index``, the same in the pass as in the training; samples that were not
    in the pass do not count. On several ranks the first one computes the clusters.

    Args:
        clusters: Number of clusters.
        samples: Number of samples of the loader that the task learns from.
        pca: Largest number of dimensions after the PCA; None for the features as they are.
        student: Name of the view that is classified; "" is the batch itself. The pass reads the batch itself.
        options: Options of every task; see `Task`.

    Shape:
        Head ``[B, clusters]``, loss ``[B]``.

    Raises:
        ValueError: A number out of range; a training without the pass, or a sample without an id.

    Example:
        >>> task = DeepCluster(10, samples=60000, loaders=("unlabelled",))
        >>> task.out_dim, task.answers
        (10, False)
    """

    kind = "deep_cluster"
    target = None
    renews_head = True

    def __init__(
        self,
        clusters: int,
        *,
        samples: int,
        pca: int | None = 256,
        student: str = "",
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        if clusters < 2 or (pca is not None and pca < 1):
            raise ValueError(f"`clusters` should be 2 or more, and `pca` 1 or more. Found {clusters}, {pca}.")
        self.out_dim, self.views, self.pca = clusters, (student,), pca
        self.memory = SampleMemory(samples, dtype=torch.long)

    def on_pass(self, features: Mapping[str, Tensor], index: Tensor) -> None:
        """Remember the cluster of each sample."""
        x = torch.cat([f.flatten(1) for f in features.values()], 1)
        x = F.normalize(x if self.pca is None else whitened(x, self.pca), dim=1)
        seed = int(torch.randint(2**31, ()))  # drawn on every rank, whose random numbers stay apart
        groups = index.new_empty(len(index))
        if rank_and_world_size()[0] == 0:
            groups = k_means(x, self.out_dim, seed=seed)[0]
        if dist.is_initialized():
            dist.broadcast(groups, 0)
        self.memory.put(self.memory.rows(None, index), groups)

    def loss_from(self, context: TaskContext) -> tuple[Tensor, Tensor]:
        if self.memory.empty:
            raise ValueError(
                f"task '{context.name}' should learn from a pass over its data. Found none. Give "
                f"fit(..., passes={{'{context.name}': loader}})."
            )
        view = context.view(self.views[0])
        index = (
            context.batch.index
            if view.rows is None or context.batch.index is None
            else (context.batch.index.index_select(0, view.rows))
        )
        groups, counts = self.memory.read(self.memory.rows(context.batch.loader, index))
        loss = F.cross_entropy(context.outputs[self.views[0]].float(), groups, reduction="none")
        return loss * self.weights()[groups], counts > 0

    def weights(self) -> Tensor:
        """Return the weight of the samples of each cluster: inverse to their number, 1 in the mean."""
        groups = self.memory.held("values")[self.memory.held("counts") > 0]
        sizes = groups.bincount(minlength=self.out_dim)
        return (self.out_dim * sizes.clamp(min=1) / len(groups)).reciprocal()


def whitened(x: Tensor, dims: int) -> Tensor:
    """Return the principal components of vectors, each with variance 1.

    Args:
        x: Vectors.
        dims: Largest number of components; those without variance are left out.

    Shape:
        x ``[N, D]``, result ``[N, n]`` with n up to dims.
    """
    centred = (x - x.mean(0)).double()
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(x))
    kept = (variances > 1e-8 * variances[-1].clamp(min=1e-30)).nonzero().squeeze(1)[-dims:]
    if len(kept) == 0:
        return torch.zeros_like(x[:, :1])
    components: Tensor = centred @ axes[:, kept] / variances[kept].sqrt()
    return components.to(x.dtype)

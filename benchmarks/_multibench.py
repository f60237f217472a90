"""The peer of `search_speed`: MultiBench's port of MFAS, from a checkout of github.com/pliang279/MultiBench.

Its `train_sampled_models` trains the candidates, on encoders that it reads from checkpoints. One thing is
patched: `torch.load` reads a whole module again, as it did when the port was written. It runs in a temporary
folder, since it writes the best candidate into ``tests/``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

BATCH = 32  # its default, and its example's
WIDTH = 16  # of its fusion layers, in its example
ADAM = (1e-3, 1e-6, 1, 2)  # its defaults: highest and lowest learning rate, first period and its growth
# Channels of the two networks of its example. The search may read these layers; its checkpoints
# hold one more in front, which it skips.
READ = {"image": (6, 12, 24), "speech": (6, 12, 24, 48, 96)}

Data = tuple[Tensor, Tensor, Tensor]
"""Images, spectrograms, digits."""


class MultiBench:
    """Trains candidates of the peer.

    Args:
        checkout: Folder of the checkout.
        pretrain: Function that is called with each encoder, its modality and the size of its output.
    """

    def __init__(self, checkout: Path, pretrain: Callable[[nn.Module, str, int], None]) -> None:
        sys.path.insert(0, str(checkout.resolve()))
        nets = importlib.import_module("unimodals.common_models")
        self.trainer = importlib.import_module("fusions.searchable")
        self.nets = {m: nets.LeNet(1, read[0] // 2, len(read)) for m, read in READ.items()}
        for m, net in self.nets.items():
            pretrain(net, m, READ[m][-1])

    def train(self, candidate: Sequence[Sequence[int]], data: Mapping[str, Data], epochs: int) -> float:
        """Train one candidate: a row ``(image layer, speech layer, activation)`` for each fusion layer.

        Returns:
            Its best accuracy on the data of ``"dev"``; it is trained on those of ``"train"``.
        """
        loaders = {
            split: DataLoader(TensorDataset(*tensors), batch_size=BATCH, shuffle=split == "train")
            for split, tensors in data.items()
        }
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            os.mkdir("tests")
            files = [f"{m}.pt" for m in self.nets]
            for file, net in zip(files, self.nets.values(), strict=True):
                torch.save(net, file)
            load = functools.partial(torch.load, weights_only=False)
            with patch("torch.load", load), open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
                (accuracy,) = self.trainer.train_sampled_models(
                    [np.array(candidate)],
                    self.trainer.Searchable,
                    loaders,
                    False,  # no weights are shared between candidates, its default
                    "cpu",  # unused: it takes a GPU where there is one
                    files,
                    WIDTH,
                    10,
                    list(READ.values()),
                    BATCH,
                    epochs,
                    *ADAM,
                )
        return float(accuracy)

"""Three learners that label samples for each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data import View
from sennit.modes import evaluating
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.rounds import Rounds
from sennit.tasks.training.learner import Learner


class TriTraining(Rounds):
    """Three learners: where two agree on an unlabelled sample, the third learns their label.

    Each begins with a bootstrap sample of the labelled samples, and with different weights. After every round
    the acquisition, an `Agreement`, gives each learner labels anew; a learner that receives some is trained
    again, from new weights, on all labelled samples and these. The rounds end where none does. The prediction
    is the `majority_vote`. Folders are ``folder/round-<k>/learner-<i>/``; all else is as in `Rounds`.
    Source: Zhou & Li 2005, "Tri-Training: Exploiting Unlabeled Data Using Three Classifiers".

    Args:
        build: Function from the index of a learner, 0 to 2, to a new learner.
        pool: Samples, some of them labelled.
        acquire: Acquisition between two rounds: ``create_acquisition("agreement")``.
        **options: All further arguments of `Rounds`: ``folder``, ``rounds`` (at most) and options of `fit`.

    Raises:
        TypeError: ``acquire`` is of one learner.
        ValueError: Arguments that `Rounds` refuses.

    Example:
        >>> import tempfile
        >>> from sennit.data import Batch, BatchDataset
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> from sennit.tasks.rounds import Pool, create_acquisition
        >>> def build(number):
        ...     encoders = {"x": create_encoder("mlp", 2, width=8, embed_dim=8)}
        ...     fusion, tasks = create_fusion("concat", encoders), {"y": Classification(2)}
        ...     return Learner(MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks))
        >>> x, index = torch.randn(30, 2), torch.arange(30)
        >>> data = BatchDataset(Batch.of({"x": x}, targets={"y": (x[:, 0] > 0).long()}, index=index))
        >>> pool = Pool(data, labelled={"y": range(6)})
        >>> quiet = {"accelerator": "cpu", "progress": False}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = TriTraining(
        ...         build, pool, create_acquisition("agreement"), folder=folder, rounds=2, epochs=1, **quiet
        ...     ).run()
        >>> majority_vote([learner.model for learner in result.learners], "y", View.of({"x": x})).shape
        torch.Size([30])
    """

    learners = 3
    bootstrap = True

    def _make(self, number: int, learner: int) -> Learner:
        return self.build(learner)


def majority_vote(models: Sequence[MultiTaskModel], task: str, view: View) -> Tensor:
    """Return the class that most models give each sample; of equal votes, the most probable on average.

    Args:
        models: Models to ask, in evaluation mode for the time.
        task: Name of a classification.
        view: Samples.

    Shape:
        ``[B]``, indices of classes.
    """
    every: list[Tensor] = []
    for model in models:
        with torch.no_grad(), evaluating(model):
            every.append(model.tasks[task].scores(model(view)[task].logits))
    return vote(every)


def vote(probabilities: Sequence[Tensor]) -> Tensor:
    """Return the class that most give each sample; of equal votes, the most probable on average.

    Shape:
        ``[B, C]`` each, result ``[B]``.

    Example:
        >>> vote([torch.tensor([p]) for p in ([0.6, 0.4], [0.6, 0.4], [0.0, 1.0])])
        tensor([0])
    """
    votes = torch.stack([F.one_hot(p.argmax(1), p.shape[1]) for p in probabilities]).sum(0)
    # Below a vote, so that it decides between equal ones only.
    return (votes + torch.stack(list(probabilities)).mean(0) / 2).argmax(1)

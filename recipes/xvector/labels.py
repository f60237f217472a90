"""How well the labels that were learned beside the speaker are told, of speakers never heard."""

from __future__ import annotations

import torch
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import Recordings, Segments
from sennit.recipes.xvector.network import AUGMENTATION, MODALITY
from sennit.tasks import MultiTaskModel
from torch.utils.data import DataLoader

_TOGETHER = 16


@torch.no_grad()
def accuracies(config: Config, model: MultiTaskModel, recordings: Recordings) -> dict[str, float]:
    """The share of the recordings, whole, of which each label of the corpus is told; of those that have it.

    Args:
        config: The options; the kind of augmentation is no label of a recording.
        model: Trained, in evaluation mode.
        recordings: Of the test.
    """
    names = [name for name in config.tasks if name != AUGMENTATION]
    if not names:
        return {}
    right, count = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    segments = Segments.whole(recordings, targets=names, modality=MODALITY)
    for batch in DataLoader(segments, batch_size=_TOGETHER, collate_fn=model.collate):
        outputs = model(batch)
        for name in set(names) & batch.targets.keys():
            known = batch.labelled[name]
            right[name] += int((outputs[name].logits.argmax(-1) == batch.targets[name])[known].sum())
            count[name] += int(known.sum())
    return {name: right[name] / count[name] for name in names if count[name]}

"""A speaker model of random weights, and its commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sennit.recipes.xvector.__main__ import main
from sennit.recipes.xvector.network import build, encoder_of
from sennit.recipes.xvector.saved import save_speaker_model
from sennit.recipes.xvector.signals import TOLERANCE, measures_of
from sennit.recipes.xvector.speakers import split
from sennit.tasks.verification import Backend, Domain
from tests.recipes.synthetic_voices import RATE, voice
from tests.recipes.test_xvector_recipe import SYSTEM, tiny

SPEAKERS = 12


def save_model(folder: Path, target: Path) -> Path:
    """Of random weights: half of the speakers teach the back-end, half calibrate it."""
    config = tiny(folder)
    corpus, _, _ = split(config, 0)
    torch.manual_seed(0)
    network = build(config, *SYSTEM, corpus, margin=0.2, warmup=0).eval()
    names = [(speaker, number) for speaker in range(SPEAKERS) for number in range(4)]
    waves = [torch.from_numpy(voice(*name)).float() for name in names]
    with torch.no_grad():
        x = torch.cat([encoder_of(network)(wave.unsqueeze(0)).pooled for wave in waves]).numpy()
    speaker = np.array([name[0] for name in names])
    backend = Backend("plda", lda_dim=5).fit(x[:24], speaker[:24])
    pairs = np.stack(np.triu_indices(24, 1), 1)
    same = speaker[24:][pairs[:, 0]] == speaker[24:][pairs[:, 1]]
    backend.calibrate(backend.score(x[24:], x[24:], pairs=pairs), same, p_target=0.5)
    measures = [measures_of(wave, RATE, RATE) for wave in waves]
    columns = {name: [one[name] for one in measures] for name in TOLERANCE}
    backend.domain = Domain.fit(x, columns, TOLERANCE)
    save_speaker_model(target, network, backend, p_target=0.5)
    return target


def run(*arguments: object) -> None:
    main([str(argument) for argument in arguments])

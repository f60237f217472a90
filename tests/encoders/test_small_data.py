"""Encoders for small tables: hashed n-grams of texts, statistics of sound."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch

from sennit.encoders import create_encoder
from sennit.encoders.features import Pitch
from sennit.encoders.layers.frame_statistics import QUANTILES, FrameStatistics
from sennit.encoders.layers.voice_frames import VoiceFrames


def test_a_text_has_its_words_their_parts_and_their_pairs() -> None:
    encoder = create_encoder("hashed_ngrams", buckets=5000, shortest=3, longest=3)
    grams = ["dog", "<do", "dog", "og>", "ran", "<ra", "ran", "an>", "dog ran"]
    expected = [5000, *(zlib.crc32(gram.encode()) % 5000 for gram in grams)]
    assert encoder.to_tensor("Dog ran").tolist() == expected
    assert encoder.to_tensor("").tolist() == [5000]
    assert len(create_encoder("hashed_ngrams", max_length=4).to_tensor("a long text of words")) == 4


def test_its_vector_is_the_sum_under_the_weights_of_tf_idf() -> None:
    torch.manual_seed(0)
    encoder = create_encoder("hashed_ngrams", buckets=30, embed_dim=4).eval()
    texts = torch.tensor([[30, 1, 1, 2], [30, 2, 3, 0], [30, 2, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]).bool()
    encoder.fit(texts, mask)
    counts = {30: 3, 1: 1, 2: 3, 3: 1}
    inverse = {i: math.log((1 + 3) / (1 + counts.get(i, 0))) + 1 for i in range(31)}
    pooled = encoder(texts, mask).pooled
    for row, ids in enumerate(([30, 1, 1, 2], [30, 2, 3], [30, 2])):
        weights = np.array([inverse[i] for i in ids])
        weights /= np.sqrt((weights**2).sum())
        vectors = encoder.embedding.weight.detach().double().numpy()[ids]
        np.testing.assert_allclose(pooled[row].detach().numpy(), weights @ vectors, atol=1e-6)


def test_the_statistics_of_padded_frames_are_those_of_a_loop() -> None:
    torch.manual_seed(0)
    frames, lengths = torch.randn(3, 11, 2), (11, 5, 2)
    mask = torch.arange(11) < torch.tensor(lengths).unsqueeze(1)
    found = FrameStatistics(2, parts=4)(frames.masked_fill(~mask.unsqueeze(2), 0), mask)
    for row, n in enumerate(lengths):
        x = frames[row, :n].double().numpy()
        expected = [x.mean(0), x.std(0)]
        expected += [np.sort(x, 0)[int(q * (n - 1))] for q in QUANTILES]
        for k in range(4):
            first = k * n // 4
            expected.append(x[first : max((k + 1) * n // 4, first + 1)].mean(0))
        np.testing.assert_allclose(found[row].numpy(), [*np.concatenate(expected), math.log(n)], atol=1e-5)


def test_the_pitch_of_tones_and_its_slope() -> None:
    rate = 16000
    time = torch.arange(rate) / rate
    low = torch.sin(2 * torch.pi * 110 * time)
    frames, _ = Pitch(rate)(torch.stack([low, low + 0.6 * torch.sin(2 * torch.pi * 220 * time)]))
    assert (frames[:, 5:-5, 0].exp() - 110).abs().max() < 1.5  # a lag is a whole number of samples
    torch.manual_seed(0)
    noise, _ = Pitch(rate)(0.1 * torch.randn(1, rate))
    assert noise[0, :, 1].median() < 0.5 < frames[:, 5:-5, 1].min()

    voice = VoiceFrames(rate, n_mfcc=4)
    x, mask = voice(torch.randn(1, 3000), torch.arange(3000).unsqueeze(0) < 2600)
    n = int(mask.sum())
    assert (x[0, n:] == 0).all()
    values = x[0, :n, :6].double().numpy()
    for t in range(n):
        slope = sum(k * (values[min(t + k, n - 1)] - values[max(t - k, 0)]) for k in (1, 2)) / 10
        np.testing.assert_allclose(x[0, t, 6:].numpy(), slope, atol=1e-4)


def test_the_network_hides_frames_in_training_only() -> None:
    encoder = create_encoder("sound_statistics", sample_rate=8000, hidden=8, widths=(8,), dropout=0.0)
    x = torch.randn(2, 4000)
    encoder.fit(x)
    encoder.eval()
    assert torch.equal(encoder(x).pooled, encoder(x).pooled)
    encoder.train()
    torch.manual_seed(0)
    first = encoder(x).pooled
    assert not torch.equal(first[:, 8:], encoder(x).pooled[:, 8:])
    assert torch.equal(first[:, :8], encoder(x).pooled[:, :8])  # the statistics are of the whole recording

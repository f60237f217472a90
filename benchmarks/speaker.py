"""Speaker encoders beside SpeechBrain's: the same batches, widths, optimizer and number of parameters.

A step is forward, cross-entropy over 1000 speakers, backward and SGD with momentum, in training mode, of 32
utterances of 3 seconds; "with lengths" they last from half of that to all of it, which the peer takes as
relative lengths and ours as a mask. Pooling is over 1500 channels, forward and backward. "Waveform to
embedding" is in evaluation: filterbank energies, the mean of the utterance removed, and the network. The rows
of the GPU say so where there is none; there both sides run under autocast to bfloat16, and the share of the
peak is that of a large product of matrices in it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._harness import Result, alternate, arguments, not_run, report
from sennit.encoders import Encoder, create_encoder
from sennit.encoders.layers.pooling import create_pooling

UTTERANCES, FRAMES, RATE, SPEAKERS = 32, 300, 16_000, 1000
FEATURES = {"xvector": 24, "ecapa_tdnn": 80}
LABELS = {"xvector": "xvector", "ecapa_tdnn": "ecapa"}
NO_PEER = "no peer: pip install 'sennit[bench]'"


class Peer(nn.Module):
    """SpeechBrain's network of the published widths, and its head."""

    def __init__(self, name: str) -> None:
        super().__init__()
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
        from speechbrain.lobes.models.Xvector import Xvector

        if name == "xvector":
            self.net: nn.Module = Xvector(in_channels=FEATURES[name], activation=nn.ReLU)
        else:
            self.net = ECAPA_TDNN(FEATURES[name])
        self.head = nn.Linear(512 if name == "xvector" else 192, SPEAKERS)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return self.head(self.net(x, lengths).squeeze(1))


class Ours(nn.Module):
    """Our network of the published widths, on frames, and its head."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.net: Encoder = create_encoder(name, features="frames", num_features=FEATURES[name])
        self.head = nn.Linear(self.net.embed_dim, SPEAKERS)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.head(self.net(x, mask).pooled)


def masks(*, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Return which frames are valid, and the same as relative lengths for the peer."""
    lengths = torch.linspace(FRAMES // 2, FRAMES, UTTERANCES, device=device).long()
    return torch.arange(FRAMES, device=device) < lengths.unsqueeze(1), lengths / FRAMES


def stepper(net: nn.Module, x: Tensor, lengths: Tensor | None, speakers: Tensor) -> Callable[[], None]:
    """Return one training step as a function; on a GPU it waits for the end.

    Args:
        net: Network.
        x: Frames of the utterances.
        lengths: Lengths as the network takes them: a mask, or relative lengths.
        speakers: Speaker of each utterance.
    """
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    device = x.device.type

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = net(x, lengths)
        F.cross_entropy(logits.float(), speakers).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def steps(name: str, *, with_lengths: bool, device: str = "cpu") -> tuple[Callable[[], None], ...]:
    """Return our step and the peer's, on one batch."""
    torch.manual_seed(0)
    x = torch.randn(UTTERANCES, FRAMES, FEATURES[name], device=device)
    speakers = torch.randint(SPEAKERS, (UTTERANCES,), device=device)
    mask, lengths = masks(device=device) if with_lengths else (None, None)
    x = x if mask is None else x * mask.unsqueeze(2)
    pairs = ((Ours(name), mask), (Peer(name), lengths))
    return tuple(stepper(net.to(device).train(), x, lengths, speakers) for net, lengths in pairs)


def step_row(name: str, *, with_lengths: bool, runs: int) -> Result:
    """Time training steps in turn."""
    what = f"{LABELS[name]} step {'with' if with_lengths else 'without'} lengths"
    if not find_spec("speechbrain"):
        return not_run(what, NO_PEER)
    ours, peer = steps(name, with_lengths=with_lengths)
    return alternate(what, ours, peer, runs=runs, loops=1)


def pooling_row(*, runs: int) -> Result:
    """Time mean and standard deviation over the frames, forward and backward."""
    what = "statistics pooling"
    if not find_spec("speechbrain"):
        return not_run(what, NO_PEER)
    from speechbrain.nnet.pooling import StatisticsPooling

    torch.manual_seed(0)
    x = torch.randn(UTTERANCES, FRAMES, 1500, requires_grad=True)
    mask, lengths = masks()
    pooling, theirs = create_pooling("statistics", 1500), StatisticsPooling()
    factors = torch.randn(UTTERANCES, 3000)

    def ours() -> Tensor:
        x.grad, pooled = None, pooling(x, mask)
        pooled.backward(factors)
        return pooled

    def peer() -> Tensor:
        x.grad, pooled = None, theirs(x, lengths).squeeze(1)
        pooled.backward(factors)
        return pooled

    # The peer adds noise of 1e-5 to the means, and divides by one frame less.
    torch.testing.assert_close(ours(), peer(), rtol=2 / FRAMES, atol=1e-3)
    return alternate(what, ours, peer, runs=runs, loops=1)


def embedding_row(*, runs: int) -> Result:
    """Time the way from waveforms to embeddings, with 24 mel bands on both sides."""
    what = "waveform to embedding"
    if not find_spec("speechbrain"):
        return not_run(what, NO_PEER)
    from speechbrain.lobes.features import Fbank
    from speechbrain.processing.features import InputNormalization

    torch.manual_seed(0)
    x = 0.1 * torch.randn(UTTERANCES, RATE * FRAMES // 100)
    _, lengths = masks()
    mask = torch.arange(x.shape[1]) < (lengths * x.shape[1]).unsqueeze(1)
    encoder = create_encoder("xvector", features="fbank", sample_rate=RATE).eval()
    fbank, norm = Fbank(sample_rate=RATE, n_mels=24).eval(), InputNormalization(norm_type="sentence").eval()
    net = Peer("xvector").net.eval()

    @torch.inference_mode()
    def ours() -> Tensor:
        return encoder(x, mask).pooled

    @torch.inference_mode()
    def peer() -> Tensor:
        return net(norm(fbank(x), lengths), lengths)

    return alternate(what, ours, peer, runs=runs, loops=1)


def gpu_rows(*, runs: int) -> list[Result]:
    """Return utterances per second and the share of the peak, of our step and the peer's."""
    whats = ["xvector step with lengths, gpu", "xvector share of peak, gpu"]
    if not torch.cuda.is_available():
        return [not_run(what, "no GPU") for what in whats]
    if not find_spec("speechbrain"):
        return [not_run(what, NO_PEER) for what in whats]
    ours, peer = steps("xvector", with_lengths=True, device="cuda")
    for work in (ours, peer):
        for _ in range(3):
            work()
    row = alternate(whats[0], ours, peer, runs=runs, loops=10)
    counter = FlopCounterMode(display=False)
    with counter:
        ours()
    share = [counter.get_total_flops() / (1e-3 * took) / peak_flops() for took in (row.ours, row.peer)]
    rate = [1e3 * UTTERANCES / took for took in (row.ours, row.peer)]
    return [
        Result(whats[0], round(rate[0], 1), round(rate[1], 1), row.ratio, "utterances/s", runs, row.spread),
        Result(whats[1], round(share[0], 4), round(share[1], 4), row.ratio, "of peak", runs, row.spread),
    ]


def peak_flops() -> float:
    """Return the operations per second of a product of two matrices of 8192² in bfloat16."""
    size = 8192
    a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    took = []
    for _ in range(20):
        torch.cuda.synchronize()
        start = time.perf_counter()
        a @ a
        torch.cuda.synchronize()
        took.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(took)


def main() -> None:
    """Measure, print, write."""
    options = arguments("speaker", __doc__ or "")
    torch.set_num_threads(2)
    runs = 3 if options.quick else 15
    rows = [
        step_row("xvector", with_lengths=True, runs=runs),
        step_row("xvector", with_lengths=False, runs=runs),
        pooling_row(runs=runs),
        embedding_row(runs=runs),
        step_row("ecapa_tdnn", with_lengths=True, runs=1 if options.quick else 7),
        step_row("ecapa_tdnn", with_lengths=False, runs=1 if options.quick else 7),
        *gpu_rows(runs=runs),
    ]
    peers = ("speechbrain",) if find_spec("speechbrain") else ()
    report("speaker", rows, options.out, packages=("sennit", "torch", "torchaudio", *peers))


if __name__ == "__main__":
    main()

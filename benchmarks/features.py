"""The audio front-ends beside a loop of torchaudio over the recordings, since it takes one at a time.

64 clips of two seconds at 16 kHz, two threads; 80 bands for fbank, 13 coefficients of 23 bands for MFCC.
The peer is ``torchaudio.compliance.kaldi`` with the same options; both give the same frames, which is checked
first. Without a GPU, its row says so.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from benchmarks._harness import Result, alternate, arguments, report
from sennit.encoders.features import MFCC, Fbank

CLIPS, SECONDS, RATE, BANDS = 64, 2, 16_000, 80
NOT_RUN = "(not run: no GPU)"
"""Note in place of the unit, with zeros for the figures."""


def clips(device: str) -> Tensor:
    """Return noise with an offset, at the level of speech."""
    noise = torch.randn(CLIPS, SECONDS * RATE, generator=torch.Generator().manual_seed(0))
    return (0.1 * noise + 0.01).to(device)


def loop(kind: type[Fbank | MFCC], x: Tensor) -> Tensor:
    """Run the peer on one recording after the other."""
    if kind is MFCC:
        return torch.stack([kaldi.mfcc(clip[None], sample_frequency=RATE) for clip in x])
    return torch.stack([kaldi.fbank(clip[None], sample_frequency=RATE, num_mel_bins=BANDS) for clip in x])


@torch.inference_mode()
def row(what: str, kind: type[Fbank | MFCC], *, device: str, runs: int) -> Result:
    """Time one front-end on one device; without the device, the row says so."""
    if device == "cuda" and not torch.cuda.is_available():
        return Result(what, 0.0, 0.0, 0.0, NOT_RUN, 0, (0.0, 0.0))
    x = clips(device)
    front = (MFCC(RATE) if kind is MFCC else Fbank(RATE, n_mels=BANDS)).to(device)
    torch.testing.assert_close(front(x)[0], loop(kind, x), rtol=0, atol=1e-3)

    def done(work: Callable[[], object]) -> Callable[[], None]:
        def wait() -> None:
            work()
            if device == "cuda":
                torch.cuda.synchronize()

        return wait

    return alternate(what, done(lambda: front(x)), done(lambda: loop(kind, x)), runs=runs, loops=3)


def main() -> None:
    """Measure, print, write."""
    options = arguments("features", __doc__ or "")
    torch.set_num_threads(2)
    runs = 7 if options.quick else 51
    rows = [
        row("fbank vs torchaudio loop, cpu", Fbank, device="cpu", runs=runs),
        row("mfcc vs torchaudio loop, cpu", MFCC, device="cpu", runs=runs),
        row("fbank vs torchaudio loop, gpu", Fbank, device="cuda", runs=runs),
    ]
    report("features", rows, options.out, packages=("sennit", "torch", "torchaudio"))


if __name__ == "__main__":
    main()

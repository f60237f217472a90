"""Batches of P speakers with K chunks each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sennit.data import ResumableLoader
from sennit.data.order import BatchOrder, BatchRows, rank_and_world_size
from sennit.recipes.xvector.data.chunks import Chunks
from sennit.recipes.xvector.data.corpus import Numbers


class SpeakerLoader(ResumableLoader):
    """A `ResumableLoader` whose batches hold the same number of chunks of each of several speakers.

    Each round goes through all speakers in random order, except those that fill no batch at its end. The
    recordings of a speaker are drawn without replacement as far as possible. The batches of an epoch depend
    on the seed, the epoch and the number of ranks; each rank has other speakers.

    Args:
        chunks: Dataset of chunks.
        speakers: Number of speakers in each batch, on each rank (P).
        chunks_a_speaker: Number of chunks of each speaker (K).
        batches: Number of batches in an epoch.
        collate_fn: Function that makes a batch of a list of samples, such as ``model.collate``.
        seed: Random seed of the order and of the chunks.
        num_workers: Processes that prepare batches.

    Raises:
        ValueError: A number is below 1, or there are too few speakers for all ranks.

    Example:
        >>> from types import SimpleNamespace
        >>> corpus = SimpleNamespace(by_speaker=lambda: [np.arange(3), np.arange(3, 6), np.array([6])])
        >>> class Three(list):
        ...     recordings = SimpleNamespace(corpus=corpus)
        >>> loader = SpeakerLoader(
        ...     Three(range(7)), speakers=2, chunks_a_speaker=2, batches=5, collate_fn=list
        ... )
        >>> [len(batch) for batch in loader]
        [4, 4, 4, 4, 4]
    """

    def __init__(
        self,
        chunks: Chunks,
        *,
        speakers: int,
        chunks_a_speaker: int,
        batches: int,
        collate_fn: Callable[[Any], Any],
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        self.by_speaker = chunks.recordings.corpus.by_speaker()
        self.speakers, self.chunks_a_speaker, self.batches = speakers, chunks_a_speaker, batches
        if min(speakers, chunks_a_speaker, batches) < 1:
            raise ValueError(
                f"`speakers`, `chunks_a_speaker` and `batches` should be 1 or more. Found "
                f"{speakers}, {chunks_a_speaker} and {batches}."
            )
        ranks = rank_and_world_size()[1]
        if speakers * ranks > len(self.by_speaker):
            raise ValueError(
                f"`speakers` should be at most {len(self.by_speaker) // ranks}: the corpus has "
                f"{len(self.by_speaker)}, for {ranks} ranks. Found {speakers}."
            )
        super().__init__(
            chunks,
            batch_size=speakers * chunks_a_speaker,
            collate_fn=collate_fn,
            seed=seed,
            num_workers=num_workers,
        )

    def order(self) -> BatchOrder:
        key = (self.seed, self.epoch, self.cycle)
        return SpeakerOrder(
            len(self.dataset),
            self.batch_size,
            True,
            True,
            key,
            by_speaker=self.by_speaker,
            speakers=self.speakers,
            chunks=self.chunks_a_speaker,
            batches=self.batches,
        )

    def _same(self) -> dict[str, int]:
        settings = {"speakers": len(self.by_speaker), "chunks_a_speaker": self.chunks_a_speaker}
        return super()._same() | settings | {"batches": self.batches}


@dataclass(frozen=True)
class SpeakerOrder(BatchOrder):
    """The order of the batches of a pass, of P speakers with K rows each."""

    by_speaker: Sequence[Numbers] = ()
    speakers: int = 1
    chunks: int = 1
    batches: int = 1

    def __len__(self) -> int:
        return self.batches

    def rows_from(self, first: int) -> Iterator[BatchRows]:
        rank, ranks = rank_and_world_size()
        whole = self.speakers * ranks
        a_round = len(self.by_speaker) // whole
        key = tuple(k + 1 for k in self.key)  # a pass that has not begun has number -1
        for batch in range(first, self.batches):
            turn, place = divmod(batch, a_round)
            order = np.random.default_rng((*key, turn)).permutation(len(self.by_speaker))
            chosen = order[place * whole + rank * self.speakers :][: self.speakers]
            random = np.random.default_rng((*key, batch, rank, 1))
            rows = np.concatenate([_draw(self.by_speaker[i], self.chunks, random) for i in chosen])
            yield BatchRows(tuple(rows.tolist()), (*self.key, batch, rank))


def _draw(rows: Numbers, count: int, random: np.random.Generator) -> Numbers:
    """Draw ``count`` rows; none is drawn twice before all are drawn once."""
    rounds = -(-count // len(rows))
    return np.concatenate([random.permutation(rows) for _ in range(rounds)])[:count]

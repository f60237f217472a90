"""Speech of many speakers: corpora, chunks of recordings, batches of speakers, augmentation."""

from sennit.recipes.xvector.data.augmenting import AugmentBatch
from sennit.recipes.xvector.data.chunks import Chunks
from sennit.recipes.xvector.data.corpus import Corpus
from sennit.recipes.xvector.data.loader import SpeakerLoader
from sennit.recipes.xvector.data.manifest import write_manifest
from sennit.recipes.xvector.data.read import LAYOUTS, read_corpus
from sennit.recipes.xvector.data.recordings import InFiles, InMemory, Recordings
from sennit.recipes.xvector.data.segments import Segments

__all__ = [
    "LAYOUTS",
    "AugmentBatch",
    "Chunks",
    "Corpus",
    "InFiles",
    "InMemory",
    "Recordings",
    "Segments",
    "SpeakerLoader",
    "read_corpus",
    "write_manifest",
]

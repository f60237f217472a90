"""Speech of many speakers: corpora, chunks of recordings, batches of speakers, augmentation."""

from recipes.xvector.data.augmenting import AugmentBatch
from recipes.xvector.data.chunks import Chunks
from recipes.xvector.data.corpus import Corpus
from recipes.xvector.data.loader import SpeakerLoader
from recipes.xvector.data.manifest import write_manifest
from recipes.xvector.data.read import LAYOUTS, read_corpus
from recipes.xvector.data.recordings import InFiles, InMemory, Recordings
from recipes.xvector.data.segments import Segments

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

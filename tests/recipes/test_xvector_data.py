"""Corpora in their layouts, chunks, segments, batches of speakers."""

from __future__ import annotations

import io
import os
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import Batch, Collate, InputSpec, TargetSpec
from sennit.data.augment.waveform import Babble, Chain, OneOf, RandomGain, SpeedPerturbation
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.xvector.data import (
    LAYOUTS,
    AugmentBatch,
    Chunks,
    Corpus,
    InFiles,
    InMemory,
    Recordings,
    Segments,
    SpeakerLoader,
    read_corpus,
    write_manifest,
)
from sennit.tasks import AAMSoftmax, Learner, MultiTaskModel, Triplet, fit

soundfile = pytest.importorskip("soundfile")
RATE = 8000
COLLATE = Collate(
    {"speech": InputSpec((None,), sequence=True)}, {"speaker": TargetSpec((), torch.long, classes=9)}
)


def write(path: Path, frames: int = 1600, *, rate: int = RATE) -> Path:
    """A ramp, whose samples tell where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = ((np.arange(frames) * 7 + len(path.as_posix())) % 30000).astype(np.int16)
    soundfile.write(path, ramp, rate, subtype="PCM_16")
    return path


def make_tree(folder: Path, *, speakers: int = 5, recordings: int = 3) -> Corpus:
    for s in range(speakers):
        for i in range(recordings):
            write(folder / f"s{s}" / f"day{i}" / f"{i}.{('wav', 'flac')[i % 2]}", 1000 + 400 * i)
    return read_corpus(folder, "tree")


def tar(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, folder.name)
    return archive


def test_a_tree_of_any_depth(tmp_path: Path) -> None:
    write(tmp_path / "10" / "a.wav", 800)
    write(tmp_path / "9" / "home" / "deep" / "b.flac", 4000, rate=16000)
    write(tmp_path / "9" / "._hidden.wav")
    write(tmp_path / "stray.wav")
    (tmp_path / "9" / "notes.txt").write_text("no audio")
    corpus = read_corpus(tmp_path, "tree")
    assert corpus.speakers == ("9", "10")
    assert [p.name for p in corpus.paths] == ["a.wav", "b.flac"]
    assert corpus.speaker.tolist() == [1, 0]
    assert corpus.session.tolist() == ["", "home"]
    assert corpus.seconds.tolist() == [0.1, 0.25]
    assert corpus.describe() == "2 recordings of 2 speakers, 0.00 h"


def test_librispeech_with_the_sex_of_its_speakers(tmp_path: Path) -> None:
    root = tmp_path / "LibriSpeech"
    for subset, speaker in (("train-clean-100", "19"), ("train-clean-100", "103"), ("test-other", "61")):
        write(root / subset / speaker / "198" / f"{speaker}-198-0000.flac")
    (root / "SPEAKERS.TXT").write_text(";ID  |SEX| SUBSET\n19   | F | train-clean-100\n103 | M | x | y\n")
    for path in (tmp_path, root):
        corpus = read_corpus(path, "librispeech", parts=["train-clean-100", "test-other"])
        assert corpus.speakers == ("19", "61", "103")
        assert corpus.classes["sex"] == ("F", "M")
        assert {
            corpus.speakers[s]: int(x) for s, x in zip(corpus.speaker, corpus.labels["sex"], strict=True)
        } == {
            "19": 0,
            "103": 1,
            "61": -1,
        }
        assert set(corpus.session.tolist()) == {"198"}
    with pytest.raises(ValueError, match="Did you mean 'train-clean-100'"):
        read_corpus(tmp_path, "librispeech", parts=["train-clean-10"])


def test_voxceleb_with_videos_as_sessions(tmp_path: Path) -> None:
    for speaker, video in (("id10001", "abc"), ("id10001", "def"), ("id10002", "abc")):
        write(tmp_path / "wav" / speaker / video / "00001.wav")
    (tmp_path / "vox1_meta.csv").write_text(
        "VoxCeleb1 ID\tVGGFace1 ID\tGender\nid10001\tA\tm\nid10002\tB\tf\n"
    )
    corpus = read_corpus(tmp_path, "voxceleb")
    assert corpus.speakers == ("id10001", "id10002")
    assert corpus.session.tolist() == ["abc", "def", "abc"]
    assert [corpus.classes["sex"][i] for i in corpus.labels["sex"]] == ["M", "M", "F"]


def test_digits_with_the_official_split(tmp_path: Path) -> None:
    for name in ("3_theo_0", "3_theo_5", "7_lucas_49"):
        write(tmp_path / "fsdd" / "recordings" / f"{name}.wav")
    train = read_corpus(tmp_path, "fsdd", parts=["train"])
    assert [p.stem for p in train.paths] == ["3_theo_5", "7_lucas_49"]
    assert [train.classes["digit"][i] for i in train.labels["digit"]] == ["3", "7"]
    assert len(read_corpus(tmp_path, "fsdd", parts=["test"])) == 1
    assert len(read_corpus(tmp_path, "fsdd", parts=["train", "test"])) == 3


def test_a_manifest_is_written_and_read_back_without_the_headers(tmp_path: Path) -> None:
    corpus = make_tree(tmp_path / "tree", speakers=2)
    corpus = Corpus(
        **{**vars(corpus), "labels": {"sex": np.array([0, 0, -1, 1, 1, 1])}, "classes": {"sex": ("F", "M")}}
    )
    write_manifest(corpus, tmp_path / "all.csv")
    corpus.paths[0].write_bytes(b"")  # a header that would fail
    again = read_corpus(tmp_path / "all.csv", "manifest")
    assert [p.resolve() for p in again.paths] == [p.resolve() for p in corpus.paths]
    for name in ("speaker", "session", "frames", "rates"):
        assert getattr(again, name).tolist() == getattr(corpus, name).tolist()
    assert again.labels["sex"].tolist() == [0, 0, -1, 1, 1, 1]
    assert again.speakers == corpus.speakers


def test_a_manifest_by_hand(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x.wav", 800)
    (tmp_path / "m.csv").write_text("speaker,path,room\nanna,a/x.wav,kitchen\n")
    corpus = read_corpus(tmp_path / "m.csv", "manifest")
    assert corpus.frames.tolist() == [800]
    assert corpus.classes == {"room": ("kitchen",)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,speakr\na.wav,x\n", "'speaker'. Did you mean 'speakr'"),
        ("path,speaker\na.wav,\n", "line 2 of .* should have a speaker"),
        ("path,speaker,frames,sample_rate\na.wav,x,1.5,8000\n", "whole number in 'frames'. Found '1.5'"),
        ("path,speaker,frames,sample_rate\na.wav,x,1,8\n./a.wav,x,1,8\n", "once"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_corpus(tmp_path / "m.csv", "manifest")


def test_a_manifest_of_recordings_that_are_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,speaker\nnone.wav,x\n")
    with pytest.raises(FileNotFoundError, match="line 2"):
        read_corpus(tmp_path / "m.csv", "manifest")


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    make_tree(tmp_path / "voices", speakers=2)
    archive = tar(tmp_path / "voices", tmp_path / "voices.tar.gz")
    cache = tmp_path / "cache"
    with pytest.raises(ValueError, match="`cache` should name the folder in which to unpack"):
        read_corpus(archive, "tree")
    first = read_corpus(archive, "tree", cache=cache)
    assert first.speakers == ("voices",)  # the archive's own folder is the first
    before = [p.stat().st_ino for p in first.paths]
    assert [p.stat().st_ino for p in read_corpus(archive, "tree", cache=cache).paths] == before
    assert len(list(cache.iterdir())) == 1
    os.utime(archive, ns=(1, 1))  # another archive
    read_corpus(archive, "tree", cache=cache)
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_or_malicious_archive_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    make_tree(tmp_path / "voices", speakers=2)
    archive = tar(tmp_path / "voices", tmp_path / "voices.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-300])
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as file:
        member = tarfile.TarInfo("../outside.wav")
        member.size = 3
        file.addfile(member, io.BytesIO(b"abc"))
    (tmp_path / "no.tar").write_bytes(b"no archive")
    for path in (archive, evil, tmp_path / "no.tar"):
        with pytest.raises(ValueError, match="cannot be unpacked"):
            read_corpus(path, "tree", cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert not (tmp_path / "outside.wav").exists()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    make_tree(tmp_path, speakers=2)
    (tmp_path / "s0" / "bad.wav").write_bytes(b"RIFF but not")
    soundfile.write(tmp_path / "s1" / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(
        ValueError, match=r"Found 2 of 8 that are not: '.*bad.wav' \(.*empty.wav' \(it holds no"
    ):
        read_corpus(tmp_path, "tree")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_there_is_refused(layout: str, tmp_path: Path) -> None:
    parts = {"librispeech": ["dev"], "fsdd": ["train"]}.get(layout, [])
    (tmp_path / "empty" / "dev").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="Found no"):
        read_corpus(tmp_path / "nowhere", layout, parts=parts)
    with pytest.raises(FileNotFoundError, match="Found none"):
        read_corpus(tmp_path / "empty", layout, parts=parts)


def test_layouts_and_parts_are_said_and_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Did you mean 'librispeech'"):
        read_corpus(tmp_path, "librispeach")
    with pytest.raises(ValueError, match="`parts` should be one or more with layout 'fsdd'"):
        read_corpus(tmp_path, "fsdd")
    with pytest.raises(ValueError, match="`parts` should be empty with layout 'tree'"):
        read_corpus(tmp_path, "tree", parts=["train"])
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        read_corpus(tmp_path, "fsdd", parts=["trian"])


def test_held_out_speakers_are_no_training_speakers(tmp_path: Path) -> None:
    corpus = make_tree(tmp_path)
    rest, held = corpus.hold_out(2, seed=3)
    assert set(rest.speakers).isdisjoint(held.speakers)
    assert {*rest.speakers, *held.speakers} == set(corpus.speakers)
    assert sorted(set(rest.speaker.tolist())) == [0, 1, 2]
    assert all(rest.speakers[s] in str(p) for s, p in zip(rest.speaker, rest.paths, strict=True))
    assert corpus.hold_out(2, seed=3)[1].speakers == held.speakers
    for count in (0, 5):
        with pytest.raises(ValueError, match="from 1 to 4"):
            corpus.hold_out(count, seed=0)


def test_speakers_with_one_recording_are_named() -> None:
    rows = np.array([0, 1, 1, 2])
    names = ("anna", "ben", "cleo")
    some = np.ones(4, dtype=np.int64)
    corpus = Corpus([Path(str(i)) for i in range(4)], rows, names, np.array([""] * 4), some, some, {}, {})
    with pytest.raises(ValueError, match="Found 2 of 3 with one: anna, cleo"):
        corpus.check_repeated()
    corpus.select([1, 2]).check_repeated()


@pytest.mark.parametrize("make", [InFiles, InMemory])
def test_chunks_are_parts_of_their_recordings(
    make: Callable[[Corpus, int], Recordings], tmp_path: Path
) -> None:
    corpus = make_tree(tmp_path)
    chunks = Chunks(make(corpus, RATE), seconds=(0.05, 0.1))
    torch.manual_seed(0)
    lengths, starts = set(), set()
    for _ in range(10):
        samples = chunks.__getitems__([0, 1, 2, 7])
        assert len({len(s["inputs"]["speech"]) for s in samples}) == 1, "drawn together, equally long"
        for sample in samples:
            whole = torch.from_numpy(soundfile.read(corpus.paths[sample["index"]], dtype="float32")[0])
            chunk = sample["inputs"]["speech"]
            start = int(((chunk[0] - whole).abs() < 1e-6).nonzero()[0])
            assert torch.equal(whole[start : start + len(chunk)], chunk)
            assert sample["targets"] == {"speaker": int(corpus.speaker[sample["index"]])}
            lengths.add(len(chunk))
            starts.add(start)
    assert len(lengths) > 5
    assert 400 <= min(lengths) <= max(lengths) <= 800
    assert len(starts) > 20


def test_files_and_memory_give_the_same(tmp_path: Path) -> None:
    corpus = make_tree(tmp_path, speakers=2)
    chunks = []
    for make in (InFiles, InMemory):
        torch.manual_seed(1)
        chunks.append(Chunks(make(corpus, RATE), seconds=(0.05, 0.1)).__getitems__(range(6)))
    for one, other in zip(*chunks, strict=True):
        assert torch.equal(one["inputs"]["speech"], other["inputs"]["speech"])


def test_only_the_chunk_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = make_tree(tmp_path, speakers=1)
    decoded = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda self, n=-1, **k: decoded.append(n) or read(self, n, **k)
    )
    Chunks(InFiles(corpus, RATE), seconds=(0.05, 0.05)).__getitems__([0, 1, 2])
    assert decoded == [400, 400, 400]


@pytest.mark.parametrize("make", [InFiles, InMemory])
def test_a_short_recording_comes_whole_and_another_rate_is_resampled(
    make: Callable[[Corpus, int], Recordings], tmp_path: Path
) -> None:
    write(tmp_path / "a" / "x.wav", 300)
    write(tmp_path / "a" / "y.wav", 4000, rate=16000)
    chunks = Chunks(make(read_corpus(tmp_path, "tree"), RATE), seconds=(0.1, 0.1))
    samples = chunks.__getitems__([0, 1])
    assert [len(s["inputs"]["speech"]) for s in samples] == [300, 800]
    batch = COLLATE(samples)
    assert batch.masks["speech"].sum(1).tolist() == [300, 800]


def test_labels_that_are_unknown_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    write(tmp_path / "b.wav")
    (tmp_path / "m.csv").write_text("path,speaker,sex\na.wav,anna,F\nb.wav,ben,\n")
    chunks = Chunks(
        InFiles(read_corpus(tmp_path / "m.csv", "manifest"), RATE),
        seconds=(0.1, 0.1),
        targets=("speaker", "sex"),
    )
    assert [s["targets"] for s in chunks.__getitems__([0, 1])] == [{"speaker": 0, "sex": 0}, {"speaker": 1}]
    with pytest.raises(ValueError, match=r"unknown label of the corpus 'sexe'. Did you mean 'sex'"):
        Chunks(chunks.recordings, seconds=(0.1, 0.1), targets=("sexe",))
    with pytest.raises(ValueError, match="the smaller first"):
        Chunks(chunks.recordings, seconds=(0.2, 0.1))


def test_segments_stay_and_spread_from_end_to_end(tmp_path: Path) -> None:
    corpus = make_tree(tmp_path, speakers=2)
    recordings = InMemory(corpus, RATE)
    whole = Segments.whole(recordings)
    assert whole.counts.tolist() == corpus.frames.tolist()
    crops = Segments.crops(recordings, 0.15, count=3)  # 1200 samples, of 1000, 1400 and 1800
    assert crops.rows.tolist() == [0, 1, 1, 1, 2, 2, 2, 3, 4, 4, 4, 5, 5, 5]
    assert crops.starts.tolist()[:7] == [0, 0, 100, 200, 0, 300, 600]
    assert crops.counts.tolist()[:3] == [1000, 1200, 1200]
    assert Segments.crops(recordings, 0.15, count=1).starts.tolist() == [0, 100, 300] * 2
    assert crops.speaker.tolist() == [0] * 7 + [1] * 7
    sample, again = crops[5], crops[5]
    assert torch.equal(sample["inputs"]["speech"], recordings.read(2, 300, 1200))
    assert torch.equal(sample["inputs"]["speech"], again["inputs"]["speech"])
    assert sample["index"] == 5
    with pytest.raises(ValueError, match="`count` 1 or more"):
        Segments.crops(recordings, 0.1, count=0)


def make_loader(corpus: Corpus, **options: Any) -> SpeakerLoader:
    chunks = Chunks(InMemory(corpus, RATE), seconds=(0.05, 0.1))
    settings = {"speakers": 2, "chunks_a_speaker": 3, "batches": 6, "collate_fn": COLLATE, **options}
    return SpeakerLoader(chunks, **settings)


def test_batches_are_of_so_many_speakers_with_so_many_chunks(tmp_path: Path) -> None:
    loader = make_loader(make_tree(tmp_path), speakers=2)
    batches = list(loader)
    assert len(batches) == len(loader) == 6
    turns: Counter[int] = Counter()
    for batch in batches:
        speakers = Counter(batch.targets["speaker"].tolist())
        assert sorted(speakers.values()) == [3, 3]
        assert batch.index is not None
        assert len(set(batch.index.tolist())) == 6, "different recordings, as long as there are any"
        turns.update(speakers.keys())
    assert max(turns.values()) - min(turns.values()) <= 3
    assert len(list(make_loader(make_tree(tmp_path), chunks_a_speaker=7))) == 6  # more than recordings


def test_the_order_depends_on_seed_and_epoch_and_not_on_workers(tmp_path: Path) -> None:
    corpus = make_tree(tmp_path)

    def epochs(count: int, **options: Any) -> list[list[Batch]]:
        loader, found = make_loader(corpus, **options), []
        for epoch in range(count):
            loader.set_epoch(epoch)
            found.append(list(loader))
        return found

    first, again, other = epochs(2), epochs(2, num_workers=2), epochs(2, seed=5)
    for one, two in zip(first, again, strict=True):
        for a, b in zip(one, two, strict=True):
            assert torch.equal(a.inputs["speech"], b.inputs["speech"])
            assert torch.equal(a.targets["speaker"], b.targets["speaker"])
    rows = [[b.index.tolist() for b in epoch] for epoch in (*first, *other)]
    assert len({str(r) for r in rows}) == 4


def test_a_loader_goes_on_with_the_batch_that_was_due(tmp_path: Path) -> None:
    corpus = make_tree(tmp_path)
    loader = make_loader(corpus)
    batches = iter(loader)
    for _ in range(4):
        next(batches)
    again = make_loader(corpus)
    again.load_state_dict(loader.state_dict())
    for one, other in zip(batches, again, strict=True):
        assert torch.equal(one.inputs["speech"], other.inputs["speech"])
    with pytest.raises(ValueError, match="chunks a speaker 2 in place of 3"):
        make_loader(corpus, speakers=3, chunks_a_speaker=2).load_state_dict(loader.state_dict())


def test_ranks_have_different_speakers_and_as_many_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_tree(tmp_path)
    found = []
    for rank in range(2):
        for module in ("sennit.data.order", "sennit.data.loader", "sennit.recipes.xvector.data.loader"):
            monkeypatch.setattr(f"{module}.rank_and_world_size", lambda rank=rank: (rank, 2))
        found.append(list(make_loader(corpus)))
    assert [len(batches) for batches in found] == [6, 6]
    for one, other in zip(*found, strict=True):
        mine, theirs = (set(b.targets["speaker"].tolist()) for b in (one, other))
        assert len(mine) == len(theirs) == 2
        assert mine.isdisjoint(theirs)
    with pytest.raises(ValueError, match="`speakers` should be at most 2: the corpus has 5, for 2 ranks"):
        make_loader(corpus, speakers=3)


def test_more_speakers_than_there_are_is_refused(tmp_path: Path) -> None:
    corpus = make_tree(tmp_path)
    with pytest.raises(ValueError, match="`speakers` should be at most 5"):
        make_loader(corpus, speakers=6)
    with pytest.raises(ValueError, match="should be 1 or more"):
        make_loader(corpus, batches=0)


def test_what_was_drawn_becomes_targets(tmp_path: Path) -> None:
    batch = next(iter(make_loader(make_tree(tmp_path))))
    chain = Chain(
        {
            "speed": SpeedPerturbation(),
            "noise": OneOf({"babble": Babble(), "gain": RandomGain()}, clean=0.3),
        }
    )
    augment = AugmentBatch(
        chain,
        targets={"speed": "speed.speed", "augmentation": "noise.kind"},
        new_speakers=5,
        speed_drawn="speed.speed",
    )
    after = augment(batch, generator=torch.Generator().manual_seed(0))
    assert torch.equal(after.targets["speaker"] % 5, batch.targets["speaker"])
    assert torch.equal(after.targets["speaker"] // 5, after.targets["speed"])
    assert bool(after.labelled["augmentation"].all())
    assert after.masks["speech"].shape == after.inputs["speech"].shape
    assert torch.equal(after.index, batch.index)
    with pytest.raises(ValueError, match="unknown number that the augmentation draws 'spede'"):
        AugmentBatch(SpeedPerturbation(), targets={"speed": "spede"})(batch)
    with pytest.raises(ValueError, match=r"unknown modality of the batch 'speach'. Did you mean 'speech'"):
        AugmentBatch(SpeedPerturbation(), modality="speach")(batch)


def test_a_speaker_that_is_unknown_stays_so() -> None:
    batch = Batch.of(
        {"speech": torch.randn(4, 500)},
        targets={"speaker": torch.tensor([1, 2, 3, 4])},
        labelled={"speaker": torch.tensor([True, False, True, False])},
    )
    after = AugmentBatch(SpeedPerturbation([1.0, 0.9]), new_speakers=5)(batch)
    assert not bool(after.targets["speaker"][[1, 3]].any())
    assert torch.equal(after.labelled["speaker"], batch.labelled["speaker"])


def test_a_training_that_breaks_off_in_mid_epoch_ends_with_the_same_weights(tmp_path: Path) -> None:
    """With margins that rise, triplets and batches of speakers; bit for bit."""
    corpus = make_tree(tmp_path / "voices")

    def run(folder: str, breaks: int | None = None, resume: bool = False) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        encoders = {"speech": create_encoder("logmel_conv", sample_rate=RATE, n_mels=8, widths=(4,))}
        tasks = {"speaker": AAMSoftmax(5, warmup_epochs=3), "sex": Triplet(4)}
        model = MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders), tasks=tasks)
        made = 0

        def collate(samples: Any) -> Batch:
            nonlocal made
            if made == breaks:
                raise OSError("the disk is gone")
            made += 1
            return model.collate([s | {"targets": s["targets"] | {"sex": s["index"] % 2}} for s in samples])

        fitted = fit(
            Learner(model),
            make_loader(corpus, collate_fn=collate, batches=3),
            folder=tmp_path / folder,
            epochs=3,
            checkpoint_every=1,
            accelerator="cpu",
            progress=False,
            resume=resume,
        )
        assert fitted.steps == 9
        return model.state_dict()

    expected = run("whole")
    with pytest.raises(OSError, match="the disk is gone"):
        run("broken", breaks=5)
    found = run("broken", resume=True)
    assert [name for name, x in expected.items() if not torch.equal(x, found[name])] == []
    (margin,) = (x for name, x in expected.items() if name.endswith("current_margin"))
    assert float(margin) == pytest.approx(0.2 * 2 / 3)


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_librispeech_and_digits_as_published(tmp_path: Path) -> None:
    data = Path(os.environ["SENNIT_DATA"])
    archive = data / "librispeech_mini.tar"
    train = read_corpus(archive, "librispeech", parts=["train-clean-100"], cache=tmp_path)
    assert (len(train), len(train.speakers)) == (251, 251)
    assert np.bincount(train.labels["sex"]).tolist() == [125, 126]
    assert set(train.rates.tolist()) == {16000}
    test = read_corpus(archive, "librispeech", parts=["test-other"], cache=tmp_path)
    assert (len(test), len(test.speakers)) == (100, 10)
    digits = read_corpus(data / "fsdd.tar.gz", "fsdd", parts=["train", "test"], cache=tmp_path)
    assert (len(digits), len(digits.speakers), len(digits.classes["digit"])) == (3000, 6, 10)
    assert len(read_corpus(data / "fsdd.tar.gz", "fsdd", parts=["test"], cache=tmp_path)) == 300

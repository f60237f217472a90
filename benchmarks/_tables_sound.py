"""The sound tables of `benchmarks.tables`: a few hundred recordings, what is tested left out of training."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import soundfile

from benchmarks._tables_data import (
    MEDIA_TABLES,
    Row,
    Table,
    cut_speech,
    drawn_subset,
    drawn_subsets,
    read_stamps,
)
from sennit.recipes.avdigits.files import recordings

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
LANGUAGES = ("fr", "ru", "ro", "ca", "bg", "es")


def _speech_digits(data: Path, folder: Path, seed: int) -> list[Row]:
    """Return spoken digits with two targets; a digit's speaker in the test is not among those that train.

    Of the two test speakers and the one for validation, forty other recordings each are training rows whose
    digit is blank: they teach the speaker, and nothing about how he says a digit.
    """
    order = np.roll(SPEAKERS, -2 * seed)
    testing, choosing = order[:2], order[2:3]
    rows = []
    for digit, speaker, number, content in recordings(data / "fsdd.tar.gz"):
        wave, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        unseen = speaker in testing or speaker in choosing
        subset = "test" if speaker in testing else "validation" if speaker in choosing else "train"
        teaches = unseen and number in range(20, 24)
        if not (number < 10 or teaches):
            continue
        name = f"{digit}_{speaker}_{number}.wav"
        soundfile.write(folder / name, wave, rate)
        label = "" if teaches else digit
        rows.append(
            {"voice": name, "digit": label, "speaker": speaker, "split": "train" if teaches else subset}
        )
    return rows


def _speech_words(data: Path, folder: Path, seed: int) -> list[Row]:
    """Return spoken names of stamps in six languages, two targets; a stamp is in one subset only."""
    rng = np.random.default_rng(seed)
    read = {
        lang: soundfile.read(data / "tuxpaint_stamps" / f"speech_{lang}_8k.ogg", dtype="float32")
        for lang in LANGUAGES
    }
    stamps = [stamp for stamp, _ in read_stamps(data)]
    largest = ("animals", "plants", "vehicles", "food")
    chosen = [i for i in rng.permutation(len(stamps)) if stamps[i]["category"] in largest]
    rows = []
    for i in chosen[:300]:
        subset = drawn_subset(rng)
        for lang in rng.permutation([x for x in LANGUAGES if stamps[i][f"{x}_length"]])[:2]:
            wave, rate = read[lang]
            soundfile.write(folder / f"{i}_{lang}.wav", cut_speech(wave, stamps[i], lang), rate)
            rows.append(
                {
                    "voice": f"{i}_{lang}.wav",
                    "category": stamps[i]["category"],
                    "language": lang,
                    "split": subset,
                }
            )
    return rows


def _voices(data: Path, folder: Path, seed: int) -> list[Row]:
    """Return one sentence a speaker of LibriSpeech, and the speaker's sex."""
    names: list[str] = []
    rows = []
    with tarfile.open(data / "librispeech_mini.tar") as archive:
        contents = {m.name: m for m in archive.getmembers()}
        listed = next(m for name, m in contents.items() if name.endswith("SPEAKERS.TXT"))
        text = archive.extractfile(listed).read().decode()  # type: ignore[union-attr]
        sex = {}
        for line in text.splitlines():
            if not line.startswith(";"):
                speaker, letter, *_ = (x.strip() for x in line.split("|"))
                sex[speaker] = letter
        for name, member in contents.items():
            if name.endswith(".flac") and "train-clean-100" in name:
                speaker = name.split("/")[-3]
                file = f"{speaker}.flac"
                (folder / file).write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
                names.append(speaker)
                rows.append({"voice": file, "sex": sex[speaker]})
    subset = drawn_subsets(sorted(set(names)), seed, validation=0.15, test=0.35)
    return [row | {"split": subset[row["voice"].removesuffix(".flac")]} for row in rows]


SOUND_TABLES: dict[str, Table] = {
    "speech_digits": Table(("digit", "speaker"), _speech_digits, {"voice": "audio"}),
    "speech_words": Table(("language", "category"), _speech_words, {"voice": "audio"}),
    "voices": Table(("sex",), _voices, {"voice": "audio"}),
}
TABLES = {**MEDIA_TABLES, **SOUND_TABLES}

"""Models on the hub: what is sent, what is fetched, what the card says. No network: the hub is a folder."""

from __future__ import annotations

import re
import shutil
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from sennit.data import Transforms
from sennit.encoders import create_encoder
from sennit.fusion import FusedEncoder, create_fusion
from sennit.tasks import Classification, Consistency, MultiLabel, MultiTaskModel, Regression
from sennit.tasks.shipping import hub
from sennit.tasks.shipping.card import model_card

PNG = [{"name": "torchvision/Resize", "size": [8, 8]}]


def make(classes: Any = ("cat", "dog|wolf")) -> MultiTaskModel:
    encoders = {
        "picture": create_encoder("conv", 3, widths=(4,)),
        "motion": create_encoder("tcn", 2, width=8),
    }
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("gated", encoders, embed_dim=8),
        tasks={
            "animal": Classification(classes),
            "speed": Regression(reads=("motion",)),
            "is": MultiLabel(["wet"]),
            "same": Consistency(of="animal", teacher="a", student="b"),
        },
        transforms={"picture": Transforms(PNG)},
    )


class FolderApi:
    """The calls of `HfApi` that a push makes, onto a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.calls = root, []

    def __call__(self, token: str | None = None) -> FolderApi:
        self.calls.append(("token", token))
        return self

    def create_repo(self, repo_id: str, *, private: bool | None, exist_ok: bool) -> None:
        assert exist_ok
        self.calls.append(("create", repo_id, private))
        (self.root / repo_id).mkdir(parents=True, exist_ok=True)

    def file_exists(self, repo_id: str, name: str) -> bool:
        return (self.root / repo_id / name).is_file()

    def hf_hub_download(self, repo_id: str, name: str) -> str:
        return str(self.root / repo_id / name)

    def upload_folder(
        self, *, repo_id: str, folder_path: Path, commit_message: str, delete_patterns: str
    ) -> Any:
        self.calls.append(("upload", repo_id, commit_message))
        for path in list((self.root / repo_id).rglob("*")):
            if path.is_file() and fnmatch(str(path.relative_to(self.root / repo_id)), delete_patterns):
                path.unlink()
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")

    def snapshot_download(
        self, repo_id: str, *, revision: str | None, token: str | None, allow_patterns: list[str]
    ) -> str:
        self.calls.append(("download", repo_id, revision, token))
        there = self.root / repo_id
        folder = self.root / "cache"
        for path in there.rglob("*"):
            name = str(path.relative_to(there))
            if path.is_file() and any(fnmatch(name, pattern) for pattern in allow_patterns):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder / name)
        return str(folder)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderApi:
    fake = FolderApi(tmp_path / "hub")
    monkeypatch.setattr(hub, "HfApi", fake)
    monkeypatch.setattr(hub, "snapshot_download", fake.snapshot_download)
    return fake


def test_pushed_and_fetched_it_gives_the_same_answers(api: FolderApi, tmp_path: Path) -> None:
    model = make()
    url = model.push_to_hub("me/zoo", private=True, token="secret", license="mit", metrics={"acc": 0.9})
    assert url == "https://hub/me/zoo/commit/1"
    assert api.calls == [
        ("token", "secret"),
        ("create", "me/zoo", True),
        ("upload", "me/zoo", "Upload model"),
    ]
    assert not any("secret" in p.read_text(errors="ignore") for p in api.root.rglob("*") if p.is_file())
    (api.root / "me/zoo/training.log").write_text("not ours")
    again = MultiTaskModel.from_pretrained("me/zoo", revision="v1", token="secret")
    assert api.calls[-1] == ("download", "me/zoo", "v1", "secret")
    sample = {"motion": [[0.0, 1.0], [1.0, 0.0]]}
    assert again.predict(sample) == model.predict(sample)
    assert sorted(p.name for p in (api.root / "cache").iterdir()) == ["config.json", "model.safetensors"]


def test_pushed_again_it_leaves_nothing_of_the_model_before(api: FolderApi) -> None:
    make().push_to_hub("me/zoo")
    (api.root / "me/zoo/assets/0").mkdir(parents=True)
    (api.root / "me/zoo/assets/0/vocab.json").write_text("{}")
    make(["a", "b", "c"]).push_to_hub("me/zoo")
    assert not (api.root / "me/zoo/assets/0/vocab.json").exists()
    assert "a, b, c" in (api.root / "me/zoo/README.md").read_text()


def test_a_card_of_your_own_stays(api: FolderApi, tmp_path: Path) -> None:
    make().push_to_hub("me/zoo")
    (api.root / "me/zoo/README.md").write_text("# Mine")
    make().push_to_hub("me/zoo")
    assert (api.root / "me/zoo/README.md").read_text() == "# Mine"
    make().save_pretrained(tmp_path / "model")
    (tmp_path / "model/README.md").write_text("# Mine")
    make().save_pretrained(tmp_path / "model")
    assert (tmp_path / "model/README.md").read_text() == "# Mine"


def test_a_model_that_cannot_be_saved_makes_no_repository(api: FolderApi) -> None:
    class Unregistered(Regression):
        pass

    encoders = {"row": create_encoder("mlp", 2)}
    tasks = {"z": Unregistered()}
    model = MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders), tasks=tasks)
    with pytest.raises(ValueError, match="should be registered"):
        model.push_to_hub("me/zoo")
    assert not any(call[0] == "create" for call in api.calls)
    with pytest.raises(ValueError, match=r"`repo_id` should be 'user/name'. Found 'zoo'"):
        make().push_to_hub("zoo")


@pytest.mark.parametrize("error", [RepositoryNotFoundError, LocalEntryNotFoundError])
def test_a_repository_that_cannot_be_had_is_named(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> str:
        raise error.__new__(error)  # its constructor asks for a response

    monkeypatch.setattr(hub, "snapshot_download", failing)
    with pytest.raises(FileNotFoundError, match=r"no folder 'me/zoo', nor could it be had from the hub"):
        MultiTaskModel.from_pretrained("me/zoo")


def test_the_card_says_what_the_model_reads_and_predicts(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path, license="mit", metrics={"test/animal/accuracy": 0.98765})
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.license == "mit"
    assert card.data.library_name == "sennit"
    lines = card.text.splitlines()
    for row in (
        r"| picture | conv | a path, a PIL image or an array | torchvision/Resize |",
        r"| motion | tcn | .* | none |",
        r"| animal | classification | cat, dog\\\|wolf | all |",
        r"| speed | regression | numbers: 1 | motion |",
        r"| is | multilabel | wet | all |",
        r"| fusion | gated |",
        r"| parameters | [\d,]+ |",
        r"| test/animal/accuracy | 0.9877 |",
    ):
        pattern = row.replace("| ", r"\| ").replace(" |", r" \|").replace(r"\\\|", r"\\\|")
        assert any(re.fullmatch(pattern, line) for line in lines), row
    assert "same" not in card.text.split("## Predicts")[1].split("## Parts")[0]


def test_nothing_is_claimed_that_was_not_given() -> None:
    card = ModelCard(model_card(make(1000)))
    assert card.data.license is None
    assert "Metrics" not in card.text
    assert "19 … (1000 in all)" in card.text


def test_the_code_of_the_card_runs(tmp_path: Path) -> None:
    pair = {"a": create_encoder("mlp", 2), "b": create_encoder("mlp", 3)}
    trio = {"ab": FusedEncoder(pair, create_fusion("gated", pair)), "c.d": create_encoder("mlp", 2)}
    model = MultiTaskModel(
        encoders=trio, fusion=create_fusion("concat", trio), tasks={"y": Classification(2)}
    )
    model.save_pretrained(tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = code.replace("path/of/this/folder", str(tmp_path / "out"))
    for name, size in {"a": 2, "b": 3, "c.d": 2}.items():
        code = code.replace(f"{name!r}: ...", f"{name!r}: {[0.0] * size}")
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert scope["answer"]["y"]["label"] in ("0", "1")

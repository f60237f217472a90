"""Models on the Hugging Face hub."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from sennit.tasks.shipping._model_files import ASSETS, CONFIG, WEIGHTS
from sennit.tasks.shipping.card import CARD, is_ours, model_card

if TYPE_CHECKING:
    from sennit.tasks.model.network import Network


def push(
    model: Network,
    repo_id: str,
    *,
    save: Callable[[Path], None],
    private: bool | None = None,
    token: str | None = None,
    license: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> str:
    """Upload what ``save``, the model's `save_pretrained`, writes; see `MultiTaskModel.push_to_hub`.

    A card in the repository that is not of this library stays.
    """
    if repo_id.count("/") != 1:
        raise ValueError(f"`repo_id` should be 'user/name'. Found '{repo_id}'.")
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        save(folder)  # a model that cannot be saved leaves nothing on the hub
        api.create_repo(repo_id, private=private, exist_ok=True)
        if api.file_exists(repo_id, CARD) and not is_ours(Path(api.hf_hub_download(repo_id, CARD))):
            (folder / CARD).unlink()
        else:
            card = model_card(model, source=repo_id, license=license, metrics=metrics)
            (folder / CARD).write_text(card, encoding="utf-8")
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message="Upload model",
            delete_patterns=f"{ASSETS}/*",  # of a model that was there before
        )
    return commit.commit_url


def local_folder(source: str | Path, *, revision: str | None = None, token: str | None = None) -> Path:
    """Return the folder of a saved model, downloaded first where the source is a repository of the hub.

    Args:
        source: Folder, or ``"user/name"`` on the hub.
        revision: Branch, tag or commit of the repository.
        token: Token for a private repository.

    Raises:
        FileNotFoundError: There is no such folder and no such repository, or the hub cannot be reached.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or str(source).startswith(".") or str(source).count("/") != 1:
        raise FileNotFoundError(f"no folder '{source}'. Give one that `save_pretrained` wrote.")
    return download(str(source), revision=revision, token=token)


def download(repo_id: str, *, revision: str | None, token: str | None) -> Path:
    """Fetch the files of a model, and no others, into the hub's cache.

    Raises:
        FileNotFoundError: There is no such repository, or it cannot be reached.
    """
    ours = [CONFIG, WEIGHTS, f"{ASSETS}/*", "*.json", "*.safetensors", "*.yaml"]
    try:
        return Path(snapshot_download(repo_id, revision=revision, token=token, allow_patterns=ours))
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise FileNotFoundError(
            f"no folder '{repo_id}', nor could it be had from the hub: {error} Is the name right? Is a "
            f"`token` needed?"
        ) from error

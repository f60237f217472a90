"""A new modality takes the place of a known one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sennit.data import View
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import FusedEncoder, create_fusion
from sennit.tasks import Classification, CrossStitch, MultiTaskModel, Regression
from sennit.tasks.training import latent_transfer
from tests.parts import make_encoders, make_model


def world(size: int, seed: int) -> tuple[dict[str, Tensor], Tensor]:
    """Three classes in a plane, of which a photo and a radar each show a view, bent and noisy."""
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(size, 2, generator=random)
    y = ((torch.atan2(z[:, 0], z[:, 1]) + torch.pi) / (2 * torch.pi / 3)).long().clamp(max=2)
    photo = z @ torch.tensor([[1.0, -0.5, 0.3], [0.2, 1.0, -0.8]])
    radar = (z @ torch.tensor([[0.5, 1.0, -0.2, 0.0], [-1.0, 0.4, 0.1, 0.7]])).tanh()
    return {
        "photo": photo + 0.05 * torch.randn(size, 3, generator=random),
        "radar": radar + 0.05 * torch.randn(size, 4, generator=random),
    }, y


def encoder(dim: int) -> Encoder:
    return create_encoder("mlp", dim, width=16, embed_dim=8, dropout=0.0)


@pytest.mark.parametrize("fusion", ["concat", "mean_probability"])
def test_the_heads_serve_a_modality_of_which_no_label_was_seen(fusion: str) -> None:
    """Chance is a third. The mean of three seeds, on samples that nothing was fitted on."""
    scores = []
    for seed in range(3):
        torch.manual_seed(seed)
        encoders = {"photo": encoder(3)}
        model = MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion(fusion, encoders, embed_dim=8),
            tasks={"y": Classification(3)},
        )
        x, y = world(200, seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(80):
            optimizer.zero_grad()
            model.tasks["y"].loss(model({"photo": x["photo"]})["y"].logits, y).mean().backward()
            optimizer.step()
        before = {k: v.clone() for k, v in model.state_dict().items()}
        pairs = [View.of(world(200, 50 + seed)[0])]
        found = latent_transfer(model, "photo", encoder(4), pairs, new="radar", epochs=120, lr=0.02)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        test, truth = world(300, 90 + seed)
        scores.append(
            [
                float((own({"photo": test[m]})["y"].logits.argmax(1) == truth).float().mean())
                for own, m in ((model.eval(), "photo"), (found, "radar"))
            ]
        )
    known, new = torch.tensor(scores).mean(0).tolist()
    assert known > 0.9
    assert new > 0.85


def test_the_rest_of_the_model_is_as_it_was_and_it_is_saved(tmp_path: Path) -> None:
    tasks = {"y": Classification(3), "z": Regression(2, reads=("series",))}
    model = make_model("gated", tasks).eval()
    new = create_encoder("mlp", 5, embed_dim=model.fused_encoder.leaves()["table"].embed_dim)
    inputs = {"table": torch.randn(6, 3), "radar": torch.randn(6, 5), "series": torch.randn(6, 6, 2)}
    found = latent_transfer(model, "table", new, [View.of(inputs)], new="radar", epochs=1)
    ours = {"table": inputs["radar"], "series": inputs["series"]}
    # What the new encoder says goes through the weights of the old model.
    embedding = new.eval()(inputs["radar"])
    outputs = {**model.fused_encoder.encode(View.of({m: inputs[m] for m in ("table", "series")}))}
    outputs["table"] = embedding
    expected = model.heads["y"][0](model.fused_encoder.fusion(outputs, None).pooled)  # type: ignore[index]
    torch.testing.assert_close(found(ours)["y"].logits, expected)
    found.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    assert torch.equal(again(ours)["y"].logits, found(ours)["y"].logits)
    assert torch.equal(again(ours)["z"].logits, found(ours)["z"].logits)


def test_only_pairs_count() -> None:
    """What stands in the place of what is absent changes nothing; without a pair it is refused."""
    model = make_model("concat", modalities=("table",))
    torch.manual_seed(0)
    inputs = {"table": torch.randn(6, 3), "radar": torch.randn(6, 5)}
    there = torch.arange(6) < 4
    results = []
    for junk in (0.0, 1e6):
        torch.manual_seed(1)
        new = create_encoder("mlp", 5, embed_dim=6, dropout=0.0)
        seen = {**inputs, "radar": inputs["radar"].where(there.unsqueeze(1), junk)}
        view = View.of(seen, present={"radar": there})
        found = latent_transfer(model, "table", new, [view], new="radar", epochs=2)
        results.append(found({"table": inputs["radar"]})["y"].logits)
    assert torch.equal(*results)
    apart = View.of(inputs, present={"radar": there, "table": ~there})
    with pytest.raises(ValueError, match=r"both 'table' and 'radar'. Found none"):
        latent_transfer(model, "table", create_encoder("mlp", 5, embed_dim=6), [apart], new="radar")


def test_refusals() -> None:
    pairs = [View.of({"table": torch.randn(2, 3), "radar": torch.randn(2, 5)})]

    def transfer(model: MultiTaskModel, known: str = "table", new: str = "radar", dim: int = 6) -> None:
        latent_transfer(model, known, create_encoder("mlp", 5, embed_dim=dim), pairs, new=new, epochs=1)

    with pytest.raises(ValueError, match=r"unknown modality 'tabel'. Did you mean 'table'"):
        transfer(make_model(), "tabel")
    with pytest.raises(ValueError, match=r"unknown modality of the pairs 'rader'. Did you mean 'radar'"):
        transfer(make_model(), new="rader")
    with pytest.raises(ValueError, match=r"should be 6, that of the encoder of 'table'. Found 7"):
        transfer(make_model(), dim=7)
    new = create_encoder("mlp", 5, embed_dim=6)
    with pytest.raises(TypeError, match=r"each of 2 epochs. Found a generator, .* Give a list"):
        latent_transfer(make_model(), "table", new, (p for p in pairs), new="radar", epochs=2)
    with pytest.raises(ValueError, match=r"`epochs` should be 1 or more. Found 0"):
        latent_transfer(make_model(), "table", new, pairs, new="radar", epochs=0)
    for fusion in ("early_concat", "bottleneck"):
        with pytest.raises(TypeError, match=rf"late or a decision fusion .* Found the fusion '{fusion}'"):
            transfer(make_model(fusion, fusion_options={"heads": 2} if fusion == "bottleneck" else {}))
    with pytest.raises(TypeError, match=r"With sharing 'cross_stitch' each task has encoders of its own"):
        transfer(make_model(sharing=CrossStitch()))
    pair = make_encoders(("table", "series"))
    trio = {"pair": FusedEncoder(pair, create_fusion("gated", pair)), **make_encoders(("image",))}
    nested = MultiTaskModel(encoders=trio, fusion=create_fusion("sum", trio), tasks={"y": Classification(2)})
    with pytest.raises(TypeError, match=r"not nested"):
        transfer(nested)

"""The decision fusion, and the table of the rules by which it decides."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import FUSIONS
from sennit.fusion._projected_base import ProjectedFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import uniform_weights
from sennit.fusion.types import FusionOutput, LearnedRule, Rule
from sennit.registry import Registry

R = TypeVar("R", bound=Rule)


class DecisionFusion(ProjectedFusion):
    """Each modality is a candidate with heads of its own; a rule decides among their outputs.

    Candidates are ``u_m = W_m x_m + b_m``. Where a modality is absent its candidate is left out.
    ``pooled`` is the mean of the present candidates; ``modality_weights`` are equal over them, unless the
    rule learns its own. A task without alternatives, such as a regression, takes the mean of the present
    candidates' outputs. A registered rule's name is the name of the fusion:
    ``create_fusion("mean_probability", encoders)``.

    Args:
        encoders: Encoder of each modality.
        rule: Rule of all tasks; or a class of learned rules, of which each task has one of its own.
        embed_dim: Size of each candidate.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``candidates [B, M, embed_dim]``, ``modality_weights [B, M]``.

    Example:
        >>> from sennit.fusion import MultiplicativeRule, VectorInput
        >>> sizes = {"a": VectorInput(3), "b": VectorInput(5)}
        >>> fusion = DecisionFusion(sizes, rule=MultiplicativeRule(beta=0.7))
        >>> fusion({"a": torch.randn(4, 3), "b": torch.randn(4, 5)}).candidates.shape
        torch.Size([4, 2, 128])
    """

    stage = "decision"
    fuses_maps = True

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        rule: Rule | type[LearnedRule],
        embed_dim: int = 128,
        resize_maps: bool = False,
    ) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.candidates = len(encoders)
        self.rule = rule if isinstance(rule, Rule) else None
        self.learned_rule = None if isinstance(rule, Rule) else rule

    def build_rule(self, alternatives: Sequence[int]) -> LearnedRule | None:
        """Return a new learned rule for one task; see `Fusion.build_rule`."""
        return None if self.learned_rule is None else self.learned_rule(self.candidates, alternatives)

    def routes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((f"candidate {m}", (m,)) for m in self.modalities)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        candidates = torch.stack(self.projected(outputs), 1)
        weights = uniform_weights(present, self.modalities, candidates)
        return FusionOutput(
            pooled=torch.einsum("bkd,bk->bd", candidates, weights),
            candidates=candidates,
            candidate_present=weights > 0,
            modality_weights=weights if self.learned_rule is None else None,
        )


RULES: Registry[Rule] = Registry("decision rule")


def register_rule(name: str) -> Callable[[type[R]], type[R]]:
    """Return a decorator that registers a rule, and under the same name the fusion that decides by it.

    The fusion takes ``embed_dim`` and the options of the rule; its class is the rule's ``fusion``.

    Example:
        >>> from sennit.fusion import create_fusion
        >>> create_fusion("boosted", {"a": 3, "b": 5}, embed_dim=8, delta=0.5).rule.delta
        0.5
    """

    def add(rule: type[R]) -> type[R]:
        RULES.register(name)(rule)
        rule.fusion = FUSIONS.register(name)(_fusion_under(rule))
        return rule

    return add


def list_rules(pattern: str = "*") -> list[str]:
    """Return the names of the registered rules that match a shell pattern."""
    return RULES.list(pattern)


def _fusion_under(rule: type[Rule]) -> type[DecisionFusion]:
    """Return a class whose constructor has the rule's options among its own, so that configs hold them."""
    shared = inspect.signature(DecisionFusion.__init__).parameters
    of_rule = [] if issubclass(rule, LearnedRule) else inspect.signature(rule).parameters.values()

    def __init__(
        self: DecisionFusion,
        encoders: Any,
        *,
        embed_dim: int = 128,
        resize_maps: bool = False,
        **options: Any,
    ) -> None:
        made = rule if issubclass(rule, LearnedRule) else rule(**options)
        DecisionFusion.__init__(self, encoders, rule=made, embed_dim=embed_dim, resize_maps=resize_maps)

    parameters = [*(p for p in shared.values() if p.name != "rule"), *of_rule]
    setattr(__init__, "__signature__", inspect.Signature(parameters))  # noqa: B010
    # Found by pickle as the rule's attribute.
    names = {"__module__": rule.__module__, "__qualname__": f"{rule.__qualname__}.fusion"}
    return type("DecisionFusion", (DecisionFusion,), {"__init__": __init__, "__doc__": rule.__doc__, **names})

"""Costs are those of the module that is built."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from sennit.search import count_costs, measure_latency_ms
from sennit.search.batched.candidate import Candidate
from tests.search.problem import make_proposals, make_space, make_tasks


def test_parameters_and_operations_are_those_of_the_built_module() -> None:
    space, tasks = make_space(), make_tasks()
    everything = {name: type(task)(task.out_dim) for name, task in tasks.items()}  # read by all at once
    for proposal in make_proposals(space, 60):
        candidate = Candidate(proposal.genome, space, everything)
        costs = count_costs(proposal.genome, space, everything)
        assert costs["parameters"] == sum(p.numel() for p in candidate.parameters())
        taps = {m: {t: torch.zeros(4, d) for t, d in own.items()} for m, own in space.taps.items()}
        with FlopCounterMode(display=False) as counter:
            candidate(taps)
        counted = counter.get_flop_counts()["Global"][torch.ops.aten.addmm]  # what the linear maps do
        assert costs["flops"] == counted / 4, proposal.genome


def test_latency_is_a_time() -> None:
    space = make_space()
    assert 0 < measure_latency_ms(make_proposals(space, 1)[0].genome, space, make_tasks(), repeats=3) < 1000

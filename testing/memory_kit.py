"""Contract of a memory, as plain functions that raise AssertionError."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import TypeVar

import torch

from sennit.tasks.memory import Memory

M = TypeVar("M", bound=Memory)


def check_memory(make: Callable[[], M], write: Callable[[M], None]) -> None:
    """Hold a memory to the whole contract.

    Args:
        make: Function that makes an empty memory.
        write: Function that writes something into it.

    Example:
        >>> from sennit.tasks.memory import FeatureQueue
        >>> check_memory(lambda: FeatureQueue(4, 2), lambda queue: queue.write(torch.randn(3, 2)))
    """
    check_memory_is_not_published(make(), write)
    check_memory_resumes(make, write)
    check_copy_is_empty(make(), write)
    check_moves(make(), write)


def check_memory_is_not_published(memory: M, write: Callable[[M], None]) -> None:
    """Check that no parameter, buffer or saved state holds anything of it: DDP would broadcast these."""
    write(memory)
    assert not list(memory.parameters())
    assert not list(memory.buffers())
    assert not memory.state_dict()


def check_memory_resumes(make: Callable[[], M], write: Callable[[M], None]) -> None:
    """Check that its state survives a file that executes nothing, also before and after further writes."""
    first = make()
    for _ in range(3):
        file, again = io.BytesIO(), make()
        torch.save(first.training_state(), file)
        file.seek(0)
        again.load_training_state(torch.load(file, weights_only=True))
        for memory in (first, again):
            torch.manual_seed(0)
            write(memory)
        assert_equal(first, again)


def check_copy_is_empty(memory: M, write: Callable[[M], None]) -> None:
    """Check that a copy, as a teacher's network has one, holds nothing, and can be written by itself."""
    empty = copy.deepcopy(memory)
    write(memory)
    again = copy.deepcopy(memory)
    assert_equal(again, empty)
    before = copy.deepcopy(memory.training_state())
    write(again)
    assert set(before) == set(memory.training_state())
    for key, value in memory.training_state().items():
        same = torch.equal(value, before[key]) if isinstance(value, torch.Tensor) else value == before[key]
        assert same, f"a write into the copy changed '{key}' of the memory"


def check_moves(memory: M, write: Callable[[M], None]) -> None:
    """Check that it moves with the model, before the first write and after, and keeps its precision."""
    write(memory)
    before = memory.training_state()
    memory.bfloat16()
    for key, value in memory.training_state().items():
        assert not isinstance(value, torch.Tensor) or torch.equal(value, before[key])
    memory.to("meta")
    tensors = [x for x in memory.training_state().values() if isinstance(x, torch.Tensor)]
    assert tensors
    assert all(x.device.type == "meta" for x in tensors)


def assert_equal(first: Memory, second: Memory) -> None:
    """Check that two memories hold the same."""
    one, other = first.training_state(), second.training_state()
    assert set(one) == set(other)
    for key, value in one.items():
        same = torch.equal(value, other[key]) if isinstance(value, torch.Tensor) else value == other[key]
        assert same, f"'{key}' differs"

"""Per-layer Gramians of the tasks' gradients, from the graph of one forward pass.

Every use of a parameter is an edge of the graph into it. Where a parameter is used once, by an operation that
has a rule (`register_rule`), the rule gives the inner products from what went into the operation and the
tasks' gradients at its output. Every other parameter's gradient is formed by the backward pass itself, once
for each task, summed over its uses. All tasks' gradients pass through the graph together.
"""

from sennit.tasks.balancing.gramian._backward import each_gradient, each_gramian
from sennit.tasks.balancing.gramian._check import check_gramians
from sennit.tasks.balancing.gramian._graph import Graph
from sennit.tasks.balancing.gramian._rule import Rule, inner_products, list_rules, register_rule
from sennit.tasks.balancing.gramian._task_gradients import TaskGradients
from sennit.tasks.balancing.gramian.conv import ConvRule
from sennit.tasks.balancing.gramian.embedding import EmbeddingRule
from sennit.tasks.balancing.gramian.fallback import FallbackRule
from sennit.tasks.balancing.gramian.linear import LinearRule

__all__ = [
    "ConvRule",
    "EmbeddingRule",
    "FallbackRule",
    "Graph",
    "LinearRule",
    "Rule",
    "TaskGradients",
    "check_gramians",
    "each_gradient",
    "each_gramian",
    "inner_products",
    "list_rules",
    "register_rule",
]

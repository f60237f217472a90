"""The text of a schema's file, read as YAML that says everything once."""

from __future__ import annotations

from typing import Any

import yaml


class _Once(yaml.SafeLoader):
    """Loader of plain values that refuses a key that a mapping has twice, of which YAML keeps the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [(key.value, key.start_mark) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for i, (key, mark) in enumerate(keys):
            if key in [earlier for earlier, _ in keys[:i]]:
                raise yaml.constructor.ConstructorError(None, None, f"has the key '{key}' twice", mark)
        return super().construct_mapping(node, deep=deep)


def read_mapping(text: str) -> Any:
    r"""Return the contents of a YAML file.

    Args:
        text: Contents.

    Raises:
        ValueError: It is not YAML, or a mapping has a key twice; the line is named.

    Example:
        >>> read_mapping("inputs: {}\ninputs: {}")
        Traceback (most recent call last):
        ValueError: is not valid YAML: line 2 has the key 'inputs' twice.
    """
    try:
        return yaml.load(text, Loader=_Once)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"line {mark.line + 1} "
        raise ValueError(f"is not valid YAML: {line}{error.problem}.") from None
    except (yaml.YAMLError, ValueError) as error:  # a character, or a date that there is not
        raise ValueError(f"is not valid YAML: {' '.join(str(error).split())}") from None

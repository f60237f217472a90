"""The options that every task takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypedDict

from sennit.ramp import Ramp, least, ramp_of
from sennit.registry import unknown_name
from sennit.tasks.contract.feature_source import FeatureSource, sources_of


class TaskOptions(TypedDict, total=False):
    """The options that every task takes, beside those of its kind; see `Task`."""

    reads: tuple[str, ...] | None
    view: str
    drawn: str | None
    loaders: tuple[str, ...] | None
    sources: Mapping[str, FeatureSource] | FeatureSource | None
    through: str | None
    gradient_scale: float | Ramp
    reversal: float | Ramp
    weighted: bool | None
    answers: bool | None


class Optioned:
    """The attributes that the options of a task become."""

    reads: tuple[str, ...] | None
    view: str
    drawn: str | None
    loaders: tuple[str, ...] | None
    sources: Mapping[str, FeatureSource]
    through: str | None
    gradient_scale: float | Ramp
    reversal: float | Ramp
    weighted: bool

    def set_options(self, options: TaskOptions) -> None:
        """Check the options and set the attributes.

        Raises:
            ValueError: An unknown option, or one out of range.
        """
        unknown = options.keys() - TaskOptions.__annotations__.keys()
        if unknown:
            accepted = {*TaskOptions.__annotations__, *inspect.signature(type(self)).parameters}
            raise unknown_name(f"option of a {type(self).__name__}", min(unknown), accepted - {"options"})
        reads, loaders = options.get("reads"), options.get("loaders")
        _check_names("reads", "modalities", reads)
        _check_names("loaders", "names", loaders)
        self.reads = None if reads is None else tuple(reads)
        self.loaders = None if loaders is None else tuple(loaders)
        self.view, self.drawn = options.get("view", ""), options.get("drawn")
        self.sources, self.through = sources_of(options.get("sources")), options.get("through")
        self.gradient_scale = ramp_of(options.get("gradient_scale", 1.0))
        self.reversal = ramp_of(options.get("reversal", 1.0))
        weighted, adversary = options.get("weighted"), least(self.reversal) < 0
        if least(self.gradient_scale) < 0:
            raise ValueError(
                f"`gradient_scale` should be 0 or more. Found {self.gradient_scale}. An adversary has a "
                f"`reversal` below 0."
            )
        if weighted and adversary:
            raise ValueError(
                "`weighted` should be False for an adversary, whose weight would grow as it wins. Found True."
            )
        self.weighted = not adversary if weighted is None else weighted
        self._answers = options.get("answers")


def _check_names(option: str, kind: str, names: object) -> None:
    """Refuse a string, whose letters would be taken for names, and no name at all."""
    if names is not None and (isinstance(names, str) or not names):
        raise ValueError(f"`{option}` should be a tuple of one or more {kind}. Found {names!r}.")

"""The settings of the run, and which of them were left at their defaults."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from sennit.html_page import Block, Code, Folded, Grid, Heading, Picture, Text
from sennit.recipes.harness import command, draw_model, provenance
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.tasks import MultiTaskModel

_OF_THE_RUN = ("data", "output", "resume", "target", "id", "schema", "skip_bad_rows", "workers")


def settings_part(results: Results) -> Part:
    """Return the settings, given and default, and the drawing of the model."""
    given: dict[str, Any] = {}
    default: dict[str, Any] = {}
    for option in fields(results.config):
        value = getattr(results.config, option.name)
        if option.name in _OF_THE_RUN:
            continue
        same = option.default is not MISSING and value == option.default
        (default if same else given)[option.name] = value
    encoders = {name: spec.encoder for name, spec in results.schema.inputs.items()}
    blocks: list[Block] = [Heading("Settings")]
    if given:
        blocks.append(Grid(["option", "value"], [[name, str(value)] for name, value in given.items()]))
    left = ", ".join(f"{name} {value}" for name, value in default.items())
    blocks.append(Text(f"Left at the default: {left}."))
    named = ", ".join(f"{name}: {e if isinstance(e, str) else e.get('name')}" for name, e in encoders.items())
    blocks += [Text(f"Encoders: {named}."), Code(command())]
    of = provenance()
    versions = ", ".join(f"{name} {version}" for name, version in of["versions"].items())
    blocks.append(Folded("Versions", f"{versions}\ncommit {of['commit']}\n{of['date']}"))
    one = type(results.model) is MultiTaskModel
    caption = "From input to loss" if one else "The first of its members, from input to loss"
    blocks += [Heading("Model"), Picture(draw_model(results.model), caption)]
    figures = {"given": list(given), "default": list(default), "encoders": encoders}
    return Part(blocks, {"settings": figures})

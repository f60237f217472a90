"""Readings: how a cell reads the places of a tap that has an axis, one a file."""

from sennit.fusion.cell.readings._base import (
    READINGS,
    Reading,
    create_reading,
    list_readings,
    register_reading,
    source_of,
    split_reading,
)
from sennit.fusion.cell.readings.attention import AttentionReading
from sennit.fusion.cell.readings.places import PLACES, places
from sennit.fusion.cell.readings.pointwise import PointwiseReading

__all__ = [
    "PLACES",
    "READINGS",
    "AttentionReading",
    "PointwiseReading",
    "Reading",
    "create_reading",
    "list_readings",
    "places",
    "register_reading",
    "source_of",
    "split_reading",
]

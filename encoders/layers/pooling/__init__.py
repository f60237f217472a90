"""Pooling over time: from the frames of a sequence to one vector, one method in each file."""

from sennit.encoders.layers.pooling._base import Pooling, create_pooling, list_poolings, register_pooling
from sennit.encoders.layers.pooling.attentive_statistics import AttentiveStatisticsPooling
from sennit.encoders.layers.pooling.channel_attentive_statistics import ChannelAttentiveStatisticsPooling
from sennit.encoders.layers.pooling.max import MaxPooling
from sennit.encoders.layers.pooling.mean import MeanPooling
from sennit.encoders.layers.pooling.sized import SizedPooling
from sennit.encoders.layers.pooling.statistics import StatisticsPooling

__all__ = [
    "AttentiveStatisticsPooling",
    "ChannelAttentiveStatisticsPooling",
    "MaxPooling",
    "MeanPooling",
    "Pooling",
    "SizedPooling",
    "StatisticsPooling",
    "create_pooling",
    "list_poolings",
    "register_pooling",
]

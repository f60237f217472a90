"""Encoders of series: steps of several channels, such as those of sensors; one method in each file."""

from sennit.encoders.series.conv import SeriesConvEncoder
from sennit.encoders.series.inception_time import InceptionTimeEncoder
from sennit.encoders.series.resnet import SeriesResNetEncoder
from sennit.encoders.series.tcn import TCNEncoder
from sennit.encoders.series.transformer import SeriesTransformerEncoder

__all__ = [
    "InceptionTimeEncoder",
    "SeriesConvEncoder",
    "SeriesResNetEncoder",
    "SeriesTransformerEncoder",
    "TCNEncoder",
]

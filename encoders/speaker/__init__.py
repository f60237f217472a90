"""Encoders of speakers: from a recording of any length to one vector that identifies the speaker."""

from sennit.encoders.speaker._base import SpeakerEncoder
from sennit.encoders.speaker.ecapa_tdnn import ECAPATDNNEncoder
from sennit.encoders.speaker.front_end import SpeakerFrontEnd
from sennit.encoders.speaker.xvector import XVectorEncoder

__all__ = ["ECAPATDNNEncoder", "SpeakerEncoder", "SpeakerFrontEnd", "XVectorEncoder"]

"""Encoders of speakers: a recording of any length to one vector that tells who speaks."""

from encoders.speaker.ecapa_tdnn import ECAPATDNNEncoder
from encoders.speaker.front_end import SpeakerFrontEnd
from encoders.speaker.xvector import XVectorEncoder

__all__ = ["ECAPATDNNEncoder", "SpeakerFrontEnd", "XVectorEncoder"]

"""Contract kits: hold a part of your own to what the library promises of its parts."""

from sennit.testing.encoder_kit import check_encoder
from sennit.testing.fusion_kit import check_fusion

from sennit.bare_import import refuse_bare_import

__all__ = ["check_encoder", "check_fusion"]

refuse_bare_import(__name__)

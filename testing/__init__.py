"""Contract kits: hold a part of your own to what the library promises of its parts."""

from sennit.bare_import import refuse_bare_import

refuse_bare_import(__name__)

"""Text escaped for the quotes of Mermaid and DOT."""


def mermaid_text(text: str) -> str:
    """Return text escaped for a quoted label of Mermaid.

    Example:
        >>> mermaid_text('a "b"')
        'a #34;b#34;'
    """
    # Mermaid's escapes: #, the number of the character, and a semicolon.
    return "".join(c if c.isalnum() or c in " .,-_+=β" else f"#{ord(c)};" for c in text)


def dot_text(*lines: str) -> str:
    """Return lines escaped and quoted as one label of Graphviz.

    Example:
        >>> print(dot_text("salt & pepper"))
        "salt &amp; pepper"
    """
    # Graphviz interprets backslashes and HTML entities within the quotes.
    clean = ("".join(c if c.isprintable() else " " for c in line) for line in lines)
    escaped = (c.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for c in clean)
    return '"' + "\\n".join(escaped) + '"'

"""Any text within the quotes of Mermaid and DOT."""


def mermaid_text(text: str) -> str:
    """Escaped for a quoted label of Mermaid.

    Example:
        >>> mermaid_text('a "b"')
        'a #34;b#34;'
    """
    # Mermaid's own escapes: #, the number of the character, and a semicolon.
    return "".join(c if c.isalnum() or c in " .,-_+=β" else f"#{ord(c)};" for c in text)


def dot_text(*lines: str) -> str:
    """Escaped and quoted, as a label of Graphviz of so many lines.

    Example:
        >>> print(dot_text("salt & pepper"))
        "salt &amp; pepper"
    """
    # Graphviz reads backslashes and HTML's entities within the quotes.
    clean = ("".join(c if c.isprintable() else " " for c in line) for line in lines)
    escaped = (c.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for c in clean)
    return '"' + "\\n".join(escaped) + '"'

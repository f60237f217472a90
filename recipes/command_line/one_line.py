"""A parser whose errors are one line: the option, what it should hold, what was found."""

from __future__ import annotations

import re
import sys
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from sennit.registry import did_you_mean

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list such as [a,b]",
    "Path": "a path",
}


class OneLineParser(ArgumentParser):
    """A parser that ends the process with one line where an argument is wrong, and status 2.

    Example:
        >>> parser = OneLineParser(prog="example")
        >>> parser.one_line("unrecognized arguments: --foo 3")
        "unknown option '--foo'. `example --help` lists the options."
    """

    def parse_args(self, *args: Any, **options: Any) -> Any:
        """Parse the arguments, and end the process with one line where a config is not in UTF-8."""
        try:
            return super().parse_args(*args, **options)
        except UnicodeDecodeError:
            self.error("Problems parsing config: no UTF-8")

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End the process with one line.

        Args:
            message: Message of the library, or of a dataclass's ``check``.
            ex: Exception behind it.
        """
        sys.stderr.write(f"error: {self.one_line(message)}\n")
        self.exit(2)

    def one_line(self, message: str) -> str:
        """Return a message of the library as a sentence of ours; other messages as they are.

        Args:
            message: Message that `error` gets.
        """
        text = " ".join(message.split())
        help_line = f"`{self.prog.replace(' [options]', '')} --help` lists the options."
        if match := re.fullmatch(r'Parser key "(\S+?)": Expected an? (.+?)\. Got value: (.*)', text):
            name, kind, value = match.groups()
            return f"--{name} should be {_kind(kind)}. Found '{value}'."
        if match := re.fullmatch(r'Parser key "(\S+?)": (Does not .+) Given value: (.*)', text):
            name, kinds, value = match.groups()
            return f"--{name} should be {_kind(kinds)}. Found '{value}'."
        if match := re.fullmatch(r"Parser key \"config\": File does not exist: '(.*)'", text):
            return f"--config should name a file. Found none at '{match[1]}'."
        if re.match("Problems parsing config|Unexpected config", text):
            return "--config should name a YAML file that maps options to values. Found no valid YAML."
        if match := re.fullmatch(r"unrecognized arguments: (\S+).*", text, re.IGNORECASE):
            return self._unknown(match[1], help_line)
        if match := re.fullmatch(r"Option '(.+?)' is not accepted.*", text):
            return self._unknown(f"--{match[1]}", help_line)
        if match := re.fullmatch(r"argument (\S+): expected .*", text):
            return f"{match[1]} should have a value. Found none. {help_line}"
        if match := re.fullmatch(r"argument (\S+): ignored explicit argument '(.*)'", text):
            return f"{match[1]} takes no value. Found '{match[2]}'."
        if match := re.fullmatch(r"the following arguments are required: (.*)", text):
            return f"{match[1]} should be given. Found nothing. {help_line}"
        return text

    def _unknown(self, argument: str, help_line: str) -> str:
        name = argument.partition("=")[0]
        if not name.startswith("-"):
            return f"unexpected argument '{argument}'. {help_line}"
        options = [option for action in self._actions for option in action.option_strings]
        return f"unknown option '{name}'. {did_you_mean(name, options) or help_line}"


def _kind(kind: str) -> str:
    """Return what a value should be, of the library's name of its type."""
    names = re.findall(r"Expected an? <class '(?:\w+\.)*(\w+)'>", f"Expected a {kind}") or [kind]
    return " or ".join(_TYPES.get(name, name) for name in dict.fromkeys(names) if name != "NoneType")

"""What a Google-style docstring says about a function and about each of its arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECTION = re.compile(
    r"^(args|arguments|parameters|params|returns?|yields?|raises|examples?|notes?|attributes|"
    r"todo|warnings?|see also|references|keyword args|keyword arguments|other parameters):\s*$",
    re.IGNORECASE,
)
_ARGUMENTS = frozenset({"args", "arguments", "parameters", "params"})
_ARGUMENT = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Docstring:
    """A docstring, taken apart.

    Attributes:
        description: Everything before the first section, its paragraphs kept.
        arguments: What is said of each argument, in one line each.
    """

    description: str
    arguments: dict[str, str]


def read_docstring(text: str) -> Docstring:
    """Take apart `text`, which is indented as `inspect.getdoc` leaves it."""
    preface: list[str] = []
    arguments: dict[str, str] = {}
    section: str | None = None
    name: str | None = None
    margin: int | None = None
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section, name, margin = match[1].lower(), None, None
        elif section is None:
            preface.append(line)
        elif section in _ARGUMENTS and line.strip():
            indent = len(line) - len(line.lstrip())
            margin = indent if margin is None else margin
            entry = _ARGUMENT.match(line.strip()) if indent <= margin else None
            if entry:
                name = str(entry[1])
                arguments[name] = str(entry[2]).strip()
            elif name is not None:
                arguments[name] = f"{arguments[name]} {line.strip()}".strip()
    paragraphs = re.split(r"\n\s*\n", "\n".join(preface).strip())
    description = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return Docstring(description, {key: said for key, said in arguments.items() if said})

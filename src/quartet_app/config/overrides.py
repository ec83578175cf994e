"""Write values of overrides so that Hydra's grammar takes them as they are, and paths as a person types them."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quartet.types import QuartetError
from quartet_app.files import expand_home, is_utf8

PATH_KEYS = ("data.source.folder", "data.source.file", "data.source.mirror", "out")  # keys whose value is a path
PLAIN = re.compile(r"[\w./+@%:-]*[A-Za-z/][\w./+@%:-]*", re.ASCII)  # characters that the grammar takes as text
NO_TEXT = re.compile(
    r"(?i)null|true|false|[+-]?(?:inf|nan)|[+-]?[\d._]+e[+-]?\d[\d_]*"
)  # values that it takes for others
SPECIAL = r'["$`\\!]'  # what a shell takes apart within double quotes
WRITTEN = re.compile(r"""(?s)(['"]).*\1|\$\{.*\}|null""")  # values in the grammar's own writing


def quoted(text: str) -> str:
    """Return a text in the quotes of Hydra's grammar."""
    # A backslash is one of its own, but before a quote, where the grammar reads two as one.
    inner = re.sub(r"(\\*)'", lambda found: found[1] * 2 + r"\'", text)
    ending = re.search(r"\\*$", inner)
    return f"'{inner}{ending[0] if ending else ''}'"


def unquoted(value: str) -> str:
    """Return the text that `quoted` wrote; another value as it is."""
    if not re.fullmatch(r"(?s)'.*'", value):
        return value
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return str(OverridesParser.create().parse_override(f"key={value}").value())


def as_value(value: Any) -> str:
    """Return a plain value, list or mapping as the value of an override.

    A text stays as it is where Hydra's grammar takes it for this text, and is quoted elsewhere.
    """
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and not NO_TEXT.fullmatch(value) else quoted(value)
    if isinstance(value, list):
        return f"[{','.join(map(as_value, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{as_value(key)}:{as_value(held)}' for key, held in value.items())}}}"
    return json.dumps(value)


def literal_paths(overrides: Sequence[str], *, at: Path | None = None) -> list[str]:
    """Return overrides in which a value of PATH_KEYS that exists is taken as it is, whatever characters it has.

    So is a value that exists nowhere and that Hydra cannot read: the message about it names it then. Several values
    between commas that all exist are a sweep over them. `at` is the folder where they were typed, if it is not the
    working directory: existing paths are made relative to the latter.
    """
    return [_literal_path(override, at) for override in overrides]


def _literal_path(override: str, at: Path | None) -> str:
    """Return one override; see `literal_paths`."""
    key, equals, value = override.partition("=")
    if not equals or key.lstrip("+") not in PATH_KEYS:
        return override
    if not value:
        raise QuartetError(f"{key}: given nothing; give a path (is a variable of the shell not set?)")
    parts = value.split(",")
    for tried in ([value], parts):
        found = [_placed(part, at) for part in tried]
        if all(found):
            return f"{key}={','.join(as_value(writable(key, part)) for part in found if part)}"
    several = len(parts) > 1 and any(found)
    if WRITTEN.fullmatch(value) or several or (re.search(r"[\[{(]", value) and _readable(override)):
        return override
    return f"{key}={as_value(writable(key, value))}"


def _placed(text: str, at: Path | None) -> str | None:
    """Return the path that was typed in the folder `at`, as seen from the working directory; None if it is not there.

    A path that begins with `~` or `/` stays as it is.
    """
    literal = (at or Path()) / text
    if Path(text).parts[:1] and Path(text).parts[0].startswith("~") and literal.exists():
        return str(literal.absolute())  # a name that begins with ~, which is nobody's home folder
    path = expand_home(text)
    try:
        if not ((at or Path()) / path).exists():
            return None
    except (OSError, ValueError):  # a name that is too long, or that no file can have
        return None
    return text if at is None or path.is_absolute() else os.path.relpath(at / path)


def writable(key: str, path: str) -> str:
    """Return a path; QuartetError for one that a configuration cannot hold, as its files are YAML in UTF-8."""
    link = "make a link to it that has a plain name (ln -s), and give that"
    if "${" in path or "\n" in path:
        raise QuartetError(f"{key}: given {path!r}, which a configuration would read as something else; {link}")
    if not is_utf8(path):
        raise QuartetError(f"{key}: given {path}, which is not UTF-8; {link}")
    return path


def _readable(override: str) -> bool:
    """Return whether Hydra can read an override."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_overrides([override])
    except HydraException:
        return False
    return True


def remedy(override: str) -> str:
    """Return what to type in a shell for an override that Hydra cannot read."""
    key, equals, value = override.partition("=")
    text = f"{key}={quoted(value)}"
    if not equals or not _readable(text):
        return "write key=value, with special characters in quotes"
    shown = shlex.quote(text) if re.search(SPECIAL, text) else '"' + text + '"'
    return f"type {shown}"

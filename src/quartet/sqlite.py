"""Name an SQLite file by a URI as SQLAlchemy reads it, and find the file that a URI names.

SQLAlchemy replaces %XX, and takes what follows a question mark for options. MLflow makes the folder of a plain
`sqlite:///` URI without replacing %XX, and so beside the right one; it leaves that out where the driver is named.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

FORM = re.compile(r"sqlite(?:\+\w+)?:///([^?]+)(\?.*)?", re.DOTALL)


def uri_of(file: Path, options: str = "") -> str:
    """Return the URI of an SQLite file, with `options` such as `?timeout=9`."""
    quoted = str(file).replace("%", "%25").replace("?", "%3F")
    return f"sqlite{'+pysqlite' if '%' in quoted else ''}:///{quoted}{options}"


def file_of(uri: str) -> Path | None:
    """Return the path of the SQLite file in `uri`, None for another URI."""
    found = FORM.fullmatch(uri)
    return Path(unquote(found[1])) if found else None


def absolute(uri: str) -> str:
    """Return `uri` with an absolute path of an SQLite file, so that it is valid in every process."""
    file, found = file_of(uri), FORM.fullmatch(uri)
    return uri if file is None or found is None else uri_of(file.expanduser().absolute(), found[2] or "")

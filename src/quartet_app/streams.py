"""Let programs print and write any text, whatever encoding the system has set."""

from __future__ import annotations

import codecs
import locale
import os
import sys

LENIENT = "backslashreplace"  # how a character is printed that the output's encoding lacks: its number, as \xb7


def use_utf8() -> None:
    """Make UTF-8 the encoding of files in this program and those that it starts; print any text in any encoding.

    Where the system's encoding is another, as by LC_ALL=C with PYTHONUTF8=0, this process starts its program again in
    Python's UTF-8 mode: no library could be told otherwise. The output keeps its encoding.
    """
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    os.environ["PYTHONIOENCODING"] = f"{encoding}:{LENIENT}"  # for the programs that this one starts
    names = {codecs.lookup(name).name for name in (locale.getencoding(), sys.getfilesystemencoding())}
    if names != {"utf-8"} and not sys.flags.utf8_mode and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the program began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 until the process ends
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=LENIENT)

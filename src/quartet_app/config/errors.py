"""What Hydra, OmegaConf and YAML complain about, in one or two lines: the key, what was given, what would do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hydra.errors import CompactHydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError

from quartet.renamed import new_name
from quartet.types import QuartetError
from quartet_app.near import did_you_mean


def explain(error: BaseException) -> str:
    """The refusal that an error met while composing amounts to."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, QuartetError):
            return str(one)
        if text := _by_type(one) or _by_words(str(one)):
            return text
    return _shortened("; ".join(str(one) for one in chain if str(one)) or repr(error))


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _by_type(error: BaseException) -> str:
    if isinstance(error, CompactHydraException) and type(error).__name__ == "SweeperError":
        return str(error)  # the sweeper's own words, for a person already
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} cannot be read as key=value; quote what the shell or Hydra would take apart"
    if isinstance(error, MissingMandatoryValue):
        key = str(error.full_key or "") or str(error).split(": ")[-1].splitlines()[0]
        return f"{key}: not given, and there is no default; add {key}=<value>"
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return _unknown_key(error)
    if isinstance(error, MarkedYAMLError):
        where = error.problem_mark
        place = f"{where.name}, line {where.line + 1}" if where else "a file of conf/"
        return f"{place}: not YAML: {error.problem}"
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return _shortened(f"{error.full_key}: {str(error).splitlines()[0]}")
    return ""


def _missing_option(error: MissingConfigException) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, option = missing.rpartition("/")
    if not group:
        return _shortened(str(error))
    parent = re.match(r"In '([^']*)'", str(error))
    where = f"conf/{parent.group(1)}.yaml: " if parent and parent.group(1) != "config" else ""
    return f"{where}{group}={option}: no such option; {did_you_mean(option, error.options or (), prefix=f'{group}=')}"


def _unknown_key(error: OmegaConfBaseException) -> str:
    full_key, key, parent = str(error.full_key or error.key), str(error.key), error.parent_node
    known = [str(name) for name in parent] if isinstance(parent, Mapping) else []
    known = [name for name in known if name not in ("hydra", "_target_", "_partial_")]
    if new := new_name(full_key):
        return f"{full_key}: renamed; it is {new} now"
    before = full_key.removesuffix(key)
    if not known:
        return f"{full_key}: no such key; {before.rstrip('.')} holds no keys"
    return f"{full_key}: no such key; {did_you_mean(key, known, prefix=before)}"


# Hydra's own errors carry their facts in the message only.
WORDS = (
    (r"Sweep parameters '(.+)' requires --multirun", "{0}: several values are a sweep; add --multirun, or write [a,b]"),
    (r"Ambiguous value for argument '([^']+)'", "{0}: several values are a sweep; add --multirun, or write [a,b]"),
    (
        r"Could not override '([^']+)'\.\s+Did you mean to override (?:one of )?(.+?)\?",
        "{0}: no such choice here; did you mean {1}?",
    ),
    (r"Could not override '([^']+)'\.\s+No match", "{0}: no such choice here; --help shows the groups"),
    (r"Multiple values for ([^.]+)\.", "{0}: given more than once; give it once"),
    (r"Could not delete[^']*'([^']+)'", "~{0}: nothing of this name is there to take away"),
    (r"Could not append to config\. An item is already at '([^']+)'", "+{0}: it is there already; leave the + away"),
    (
        r"Config group override must be a string or a list\. Got (\w+)",
        "a group is chosen by name, given a value of type {0}; --help shows the names",
    ),
    (r"Override (\S+) looks like a config group", "{0}: there is no such group; --help shows the groups"),
)


def _by_words(text: str) -> str:
    if match := re.match(r"You must specify '([^']+)'.*?Available options:\s*(.*)", text, re.DOTALL):
        names = ", ".join(match.group(2).split())
        return f"{match.group(1)}: not given; add {match.group(1)}=<name>, one of {names}"
    for pattern, said in WORDS:
        if match := re.match(pattern, text):
            return said.format(*match.groups())
    return ""


def _shortened(text: str, *, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

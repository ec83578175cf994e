"""Explain errors of Hydra, OmegaConf and YAML in one or two lines: the key, its value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

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
from quartet_app.config.overrides import remedy
from quartet_app.files import REMEDIES, not_read
from quartet_app.near import did_you_mean


def explain(error: BaseException) -> str:
    """Return a message for a person about an error that was met while composing a configuration."""
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, QuartetError):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno in REMEDIES:  # composing and loading only read
            return str(not_read(Path(cause.filename or "conf"), cause))
        if text := _explain_by_type(cause) or _explain_by_message(str(cause)):
            return text
    return _shorten("; ".join(str(cause) for cause in chain if str(cause)) or repr(error))


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    """Yield `error` and its causes, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__


def _explain_by_type(error: BaseException) -> str:
    """Return a message for an error whose type says what is wrong; "" for an unknown type."""
    if isinstance(error, CompactHydraException) and type(error).__name__ == "SweeperError":
        return str(error)  # the sweeper wrote this message for a person already
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no {error.filename}"
    if isinstance(error, MissingConfigException):
        return _unknown_option(error)
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} cannot be read as key=value; {remedy(str(error.override))}"
    if isinstance(error, MissingMandatoryValue):
        key = str(error.full_key or "") or str(error).split(": ")[-1].splitlines()[0]
        return f"{key}: not given, and there is no default; add {key}=<value>"
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return _unknown_key(error)
    if isinstance(error, MarkedYAMLError):
        where = error.problem_mark
        location = f"{where.name}, line {where.line + 1}" if where else "a file of conf/"
        return f"{location}: not YAML: {error.problem}"
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return _shorten(f"{error.full_key}: {str(error).splitlines()[0]}")
    return ""


def _unknown_option(error: MissingConfigException) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, option = missing.rpartition("/")
    if not group:
        return _shorten(str(error))
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


# Hydra's own errors carry no fields: key and value must be read from the message.
MESSAGES = (
    (r"Sweep parameters '(.+)' requires --multirun", "{0}: several values are a sweep; add --multirun, or write [a,b]"),
    (r"Ambiguous value for argument '([^']+)'", "{0}: several values are a sweep; add --multirun, or write [a,b]"),
    (
        r"Could not override '([^']+)'\.\s+Did you mean to override (?:one of )?(.+?)\?",
        "{0}: no such choice here; did you mean {1}?",
    ),
    (r"Could not override '([^']+)'\.\s+No match", "{0}: no such choice here; --help shows the groups"),
    (r"Multiple values for ([^.]+)\.", "{0}: given more than once; give it once"),
    (r"Could not delete[^']*'([^']+)'", "~{0}: there is no such key to remove"),
    (r"Could not append to config\. An item is already at '([^']+)'", "+{0}: the key exists; leave out the +"),
    (
        r"Config group override must be a string or a list\. Got (\w+)",
        "given a value of type {0}, but a group is chosen by name; --help shows the names",
    ),
    (r"Override (\S+) looks like a config group", "{0}: there is no such group; --help shows the groups"),
)


def _explain_by_message(text: str) -> str:
    """Return our message for one of Hydra's; "" for an unknown one."""
    if match := re.match(r"You must specify '([^']+)'.*?Available options:\s*(.*)", text, re.DOTALL):
        names = ", ".join(match.group(2).split())
        return f"{match.group(1)}: not given; add {match.group(1)}=<name>, one of {names}"
    for pattern, message in MESSAGES:
        if match := re.match(pattern, text):
            return message.format(*match.groups())
    return ""


def _shorten(text: str, *, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"

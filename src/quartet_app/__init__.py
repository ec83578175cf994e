"""Quartet's application: what its commands and stages do, from the configuration to the report.

A folder is a room, and imports go one way: commands → table, provenance, estimate, comparison, predict → sweep → run →
data → config. `cli` tells refusals from crashes, `progress` shows how far something is, `near` suggests a name,
`processes` ends a process with the command that started it, `forking` runs stages of many runs as forks, and `files`
writes files whole.
"""

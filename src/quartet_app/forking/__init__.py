"""Run the stages of many runs as forks of one process."""

from quartet_app.forking.client import ADDRESS, fork_server, run_as_fork

__all__ = ["ADDRESS", "fork_server", "run_as_fork"]

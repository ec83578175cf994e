"""Serve the MLflow pages of the project's runs, on this machine alone."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from quartet.sqlite import absolute, file_of
from quartet.tracking.client import connect
from quartet.tracking.making import is_whole
from quartet.tracking.pages import pages
from quartet.types import QuartetError


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(prog="quartet ui", description=__doc__)
    argument_parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    return argument_parser


def main(arguments: list[str]) -> None:
    """Run `quartet ui`: print the address of each experiment's runs, and serve until Ctrl-C."""
    args = parser().parse_args(arguments)
    from quartet.report.tasks import headlines

    store = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    if store.startswith(("http://", "https://")):
        raise QuartetError(f"MLFLOW_TRACKING_URI: {store} is served already; open it in a browser")
    file = file_of(absolute(store))
    if file is not None and not is_whole(file):
        connect(absolute(store))  # MLflow's server would make it in place, and a kill would leave it half made
    address = f"http://127.0.0.1:{args.port}"
    print(f"{address}  ({store})", flush=True)
    for name, page in pages(store, metrics=[f"test/{metric}" for metric in headlines()]).items():
        print(f"the runs of {name}: {address}{page}", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--host", "127.0.0.1"]
    # MLflow's job queue would start a dozen more processes, for pages that are not used here.
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    sys.exit(subprocess.run([*command, "--port", str(args.port), "--workers", "1"], env=quiet).returncode)

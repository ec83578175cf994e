"""Run DVC's stage `evaluate`: python pipelines/evaluate.py RUN_FOLDER [--out DIR]."""

import sys

from quartet_app import cli
from quartet_app.commands.evaluate import main

if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

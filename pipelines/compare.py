"""Run DVC's stage `compare`: python pipelines/compare.py [FOLDER …] [--register]."""

import sys

from quartet_app import cli
from quartet_app.commands.compare import main

if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

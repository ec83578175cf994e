"""Run DVC's stage `prepare`: fetch, check and prepare the data of every resolved experiment."""

import sys

from quartet_app import cli
from quartet_app.commands.prepare import main

if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

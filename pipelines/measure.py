"""Run the stage `measure` of a table of findings."""

import sys

from quartet_app import cli
from quartet_app.commands.findings import measure

if __name__ == "__main__":
    cli.run(measure, sys.argv[1:])

"""Run the stage `conclude` of a table of findings."""

import sys

from quartet_app import cli
from quartet_app.commands.findings import conclude

if __name__ == "__main__":
    cli.run(conclude, sys.argv[1:])

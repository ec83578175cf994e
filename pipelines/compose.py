"""Run DVC's stage `compose`: params.yaml and conf/ → build/<experiment>.yaml."""

import sys

from quartet_app import cli
from quartet_app.commands.compose import main

if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

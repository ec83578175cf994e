"""Run DVC's stage `train`, or any training that Hydra can compose: python pipelines/train.py experiment=cnn."""

import sys

from quartet_app import cli
from quartet_app.commands.train import main

if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

"""Scripts that MLflow stores beside a model ("models from code") and runs to predict from raw input.

Each is self-contained, since it is copied: it imports nothing of ours. `export` writes what they read.
"""

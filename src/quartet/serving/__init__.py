"""Scripts that MLflow stores beside a model ("models from code") and runs to predict from raw input, one for each role.

Each is self-contained, since it is copied: it imports nothing of ours. `export` writes what they read; `use` takes the
description and the programs as they are, exported or not. Input that cannot be is an MlflowException of
INVALID_PARAMETER_VALUE, which a server answers with 400.
"""

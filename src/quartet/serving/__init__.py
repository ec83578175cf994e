"""Scripts that MLflow stores with a model ("models from code") and runs to predict from raw input, one for each role.

Each is copied alone, so that it imports nothing of Quartet. `quartet.export` writes the files that they read. `use`
takes the description and the programs, exported or not. Invalid input raises an MlflowException with
INVALID_PARAMETER_VALUE, which a server answers with 400.
"""

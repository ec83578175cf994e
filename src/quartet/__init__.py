"""Quartet: which architecture is right for my data? A run is net × task × method × data.

Four folders have these names. `report` makes tables and pages of runs, `tracking` stores runs in MLflow, `roles` and
`serving` predict with their models. `budget` defines how long to train, `types` the inputs and outputs of a net.
`description` and `export` save a trained model, `renamed` reads old configuration keys, `sqlite` names a database file.
"""

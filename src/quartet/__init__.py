"""Quartet: which architecture is right for my data? A run is net × task × method × data.

The folders are the four words, then `report`, `tracking` and `serving`: what is made of runs, where they are kept, how
their models predict. `budget` says how long to train, `types` what goes in and out of a net, `description` and `export`
what a trained model takes with it, `renamed` which keys had other names.
"""

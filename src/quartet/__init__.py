"""Quartet: which architecture is right for my data? A run is net × task × method × data."""

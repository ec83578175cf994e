"""Predict with a trained model: `predictor` loads it, `inputs` reads a person's files, `answers` prints the answers."""

"""Predict with a trained model: `predictor` loads the model, `answers` prints what it predicts."""

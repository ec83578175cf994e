"""Compare evaluated runs: `report` writes the files, `in_mlflow` shows them there, `champion` registers the best."""

"""Many runs by one command: `multirun` hands over to Hydra.

`refusals` refuses a sweep that makes no sense and `derived` finds what it must know of its runs. `observer` shows it in
MLflow, and `tuned` writes its winner to conf/tuned/.
"""

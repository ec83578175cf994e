"""Start a run's workers and train in them.

`launch` chooses how: in this process, as `local_workers` on this machine, or by `ray_train` on a Ray cluster, where
`ray_backend` lets the workers meet and `ray_reports` carries the validations to the driver. Each `worker` fits by a
`trainer` and writes `checkpoint_files`. `checkpoints` loads weights from files that need not be trusted.
"""

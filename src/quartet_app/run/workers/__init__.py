"""Start a run's workers and train in them.

`launch` chooses who starts them: this process, `local_workers` on this machine, or `ray_train` on a Ray cluster, whose
reports come by `ray_reports`. Each is a `worker`, which fits by a `trainer` and keeps `checkpoint_files`; `checkpoints`
reads weights that nobody need trust.
"""

"""A user's own package, outside the repository: a net, a task with a role of its own, and a data set."""

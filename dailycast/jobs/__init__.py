"""Jobs: an episode's row is the job. One worker claims it with a lease, and only that worker writes it."""

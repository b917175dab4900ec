"""That nothing is lost: an episode's row is the job, claimed under a lease and written only by whoever holds it."""

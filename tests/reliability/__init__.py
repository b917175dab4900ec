"""What a kill may cost: workers are ended by SIGKILL everywhere, and the vendors' bills are compared with what is left.

    python -m pytest -q -m reliability

`vendors` is the stand-in with a journal of its bills, `fork_server` forks workers and kills them, `trial` has the data
of a trial and its judge, `conftest` brings them together. `five_learners` is a class whose third learner meets a fault,
`processes` runs the same work in eight processes at once.
"""

"""What a kill may cost: workers are ended by SIGKILL everywhere, and what vendors billed is held against what is left.

    python -m pytest -q -m reliability

`vendors` is the stand-in with a journal of its bills, `lane` a fork server that makes and kills workers, `trial` what
they tell each other and the judge, `conftest` brings them together.
"""

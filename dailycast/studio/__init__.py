"""A draft and its speech: asks the writers and the voices in their order, and puts together what they give."""

"""A draft and its speech: asks the writers and the voices in their order, and assembles what they return."""

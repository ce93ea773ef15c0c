"""Short hand-written programs with none of the product around them: what the machine can do."""

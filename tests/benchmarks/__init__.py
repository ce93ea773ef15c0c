"""`make bench`: the product against hand-written floors that do the same durable work."""

"""From one service's transaction into another's, at least once delivered, once effective.

use case -> outbox -> relay -> Kafka -> consumer -> batch (inbox, waves) -> use case
                                                      |-> parking, dead letters
"""

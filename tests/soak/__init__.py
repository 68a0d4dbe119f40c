"""The soak: the real pools under hypothesis' programs, over an adapter that checks identities itself (POOL-1 to 7).

`make soak` runs a million operations, `test_soak` a short run in `make test`. From the ground up: `ledger` is what the
external system sees and what it objects to, `moods` how the adapter misbehaves, `adapter` the connections; `stage` is
one pool over them; `steps` are the programs that hypothesis writes, `borrowers` and `tasks` carry them out on threads
and event loops while an `operator` works against them; `examples` puts one example together, `quiescence` says what
has to hold when all have come to rest, and `run` counts until it is enough.
"""

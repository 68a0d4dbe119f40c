"""The bench: every figure next to a named peer or a limit, measured in one run. `python -m benchmarks.run`."""

"""The test bench: a step, a stopwatch, and a process that serves them.

Self-contained: it imports the standard library, torch, threadpoolctl and its own files, so that the bench of this
revision can also time the layers of another one (`python harness/bench` with that revision on the path).
"""

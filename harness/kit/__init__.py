"""The conformance kit: what an author runs on a cell, a backend or a task of their own. Wider and slower than the gate.

The gate says whether a pair may be trained and timed; the kit also says where the smallest failure is, and tries out
what may be the cause.
"""

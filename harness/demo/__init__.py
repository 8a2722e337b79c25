"""A run as a page for students: the task, the cells, this run's own curves, and why one forgets."""

LANGUAGES = ("en", "ko")
"""Each has a catalogue in words/."""

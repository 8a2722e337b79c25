"""A cell and a task for harness; each module is a plugin of its own."""

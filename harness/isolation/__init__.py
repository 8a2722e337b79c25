"""One trial in one child process, with a deadline; it always ends as an outcome."""

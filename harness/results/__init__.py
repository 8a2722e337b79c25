"""What can be done with a results folder beside running into it: verify, merge, export, remove."""

"""Two sides against each other: pairs of cell and backend, revisions, or cells by their recorded trainings."""

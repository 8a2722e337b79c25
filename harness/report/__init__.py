"""What a run says: tables, findings in words, figures. Reads records; measures nothing and imports no torch."""

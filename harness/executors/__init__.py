"""Who runs trials: all cores of this machine, for now."""

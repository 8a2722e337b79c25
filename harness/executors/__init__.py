"""Who runs trials: the cores of this machine, or a cluster."""

"""Trials on other machines: what travels, who is fit to answer, and both ends of a Dask cluster."""

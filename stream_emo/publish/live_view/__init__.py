"""The live view: what a person sees in a terminal while the monitor runs."""

"""Training: the loop, checkpoints, optimisation, logs, and what a training starts from."""

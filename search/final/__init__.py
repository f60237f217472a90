"""The last round: the best candidates and the fusions picked by hand, tuned jointly with the encoders."""

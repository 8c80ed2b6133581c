"""The events model: is there speech, music, noise, in each 10 ms of a programme."""

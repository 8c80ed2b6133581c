"""What the models' trainings share."""

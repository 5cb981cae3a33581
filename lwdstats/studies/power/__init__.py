"""What power a study of so many replicates, answers and steps has."""

"""What is done in monitoring, one function for each verb."""

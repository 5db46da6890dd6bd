"""What can be done in a case: one function a verb, one transaction a function, the case's lock first."""

"""Pages that see every app: the first page of each role, health, the events of the ledger."""

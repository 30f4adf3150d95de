"""The history of runs, proofs and measurements. A record, never the only copy of the truth."""

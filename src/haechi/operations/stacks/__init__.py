"""Whole stacks brought up beside what runs: each service into a throwaway, and an application on top."""

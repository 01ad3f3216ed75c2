"""Proofs of the floor: what it promises, checked against real servers, processes, signals and clocks."""

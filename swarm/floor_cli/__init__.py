"""`swarm floor`: the floor of a room for people and scripts."""

__all__: tuple[str, ...] = ()

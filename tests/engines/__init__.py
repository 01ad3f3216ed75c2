"""Real engines that tests and benchmarks start by themselves, and the participants that measure them."""

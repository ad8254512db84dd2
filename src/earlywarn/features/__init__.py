"""Features: expressions over dated facts, the catalogue of them, and the engine that computes them."""

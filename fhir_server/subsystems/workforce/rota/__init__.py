"""The rota: its rules, a solver that keeps them, and what collides where none can."""

"""How every figure looks, and what it draws of a data set."""

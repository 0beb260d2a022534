"""Formal proofs of the gateware: harnesses of its components, and the prover that runs them."""

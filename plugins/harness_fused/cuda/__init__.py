"""`fused` on CUDA: plans, translation units and the torch side; see plan.py for what they agree on."""

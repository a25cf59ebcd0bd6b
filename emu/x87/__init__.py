"""The x87: what the engine computes in double precision or with wrong flags, done to the bit beside it."""

// The kernels of the routes `block` and `grid`, and the barrier of such a grid alone.

KERNEL void forward_infer(PARAMETERS) { forward_sequence<false>(CALL); }
KERNEL void forward_train(PARAMETERS) { forward_sequence<true>(CALL); }
KERNEL void backward(PARAMETERS) { backward_sequence(CALL); }

// As many barriers as `steps` steps have, and nothing between them: the floor of a sequence's time.
KERNEL void barrier(PARAMETERS) {
  Place<false> place(CALL);
  for (int64 n = 0; n < steps * Cell::PHASES; ++n) place.meet();
}

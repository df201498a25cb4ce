"""Where deep networks settle: the variance map and its fixed points, the edge of chaos, gains."""

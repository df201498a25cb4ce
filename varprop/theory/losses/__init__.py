"""What a loss sends back from the output."""

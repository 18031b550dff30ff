"""What follows later than the acknowledgement: durable jobs."""

"""What follows later than the acknowledgement: durable jobs, their queue, and what each does."""

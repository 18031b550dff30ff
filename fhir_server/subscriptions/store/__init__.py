"""What is kept of a Subscription beside the resource: who made it, and how far it has been served."""

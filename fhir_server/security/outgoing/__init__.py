"""Requests that this server makes because somebody asks it to: where they may go, and how they go there."""

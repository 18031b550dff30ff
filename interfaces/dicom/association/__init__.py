"""Associations: the upper layer of pynetdicom with faster ways through it, limits, and who may associate."""

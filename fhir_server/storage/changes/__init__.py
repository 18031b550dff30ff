"""Consumers of the change feed: what they hand on, how they keep their place, how far behind they are.

entries     a resource as of a change, with what is indexed of it
projector   the feed into a target, at least once and in order, by one of many that ask for the work
lag         how far behind a consumer is
waiting     until a consumer has got as far as the feed was
"""

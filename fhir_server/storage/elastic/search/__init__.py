"""A Query as requests to Elasticsearch.

scope       one search under way: where it asks, and the ids that it has gathered
links       clauses about other resources, resolved to terms before anything else: chains, _has, lists, hierarchies
clauses     every other clause as a filter
ranges      the comparators as relations of ranges
units       the units that quantities have
order       sort keys
pages       a page with its cursors and total
includes    what is included with it
"""

"""Elasticsearch as the `SearchIndex`: what is found, in what order, with the embedded index's very results.

mapping      the fields of a document, with their version
terms        values as composed strings: what is indexed and what is asked are made by the same functions
digests      whether a document is what the values make, without reading it back
encode       search values -> one flat document a resource
generations  the indices, their alias, their rebuilding
writing      documents in bulks, by bytes, late ones lose
search/      a Query as requests; pages and what they include
index        the port
waiting      a search sees what was committed before it began
checking     is the index what the store says?

Documents are made by the projector (storage/changes) from the change feed; nothing else writes here. What a document
looks like and why is in docs/decisions/0011-one-flat-document-a-resource.md.
"""

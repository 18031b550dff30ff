"""MongoDB and Elasticsearch for tests, started on free ports from the package registries.

Elasticsearch is the real one (Maven Central's test distribution: no scripting, reindex or ingest modules). MongoDB's
own server is in no package registry; its place takes SecantusDB (PyPI, GPL-2.0: a process of its own that the product
never loads), which speaks MongoDB's wire protocol, with transactions, over WiredTiger. So what runs here shows
behaviour over the protocol as MongoDB documents it; it is no test of MongoDB. Name a real one by HMS_TEST_MONGODB_URL.
"""

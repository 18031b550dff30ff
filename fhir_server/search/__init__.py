"""Search without any store: what is indexed of a resource, and what a search URL asks.

    Fields          fields.py    what to index of each type, derived from the search parameters
    extract         extract/     a resource -> its search values
    parse_query     parse/       a URL's parameters -> a typed Query
    rewrite         rewrite/     a Query -> the same, simpler, with terminology expanded
    self_link       selflink.py  what was understood, as the link that a result carries

Specification: https://hl7.org/fhir/R4/search.html
"""

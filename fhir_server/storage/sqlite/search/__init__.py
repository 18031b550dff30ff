"""Queries as SQL over the tables of schema.py.

compile      a Clause for some resource types -> a Condition
Condition    two forms of one clause: `driver`, a SELECT of the rids for which it holds, found by value; and `probe`,
             an expression that tests one rid. What is chosen to drive is written first in the SQL, with the indexes
             named: SQLite's planner knows nothing of how the values are spread and is never left to choose.
planning     which clause of a conjunction drives, by counting a bounded number of its rows
unsorted, sorted   the rids of one page
pages        a page of resources, its cursors, its total
includes     what is included with a page
"""

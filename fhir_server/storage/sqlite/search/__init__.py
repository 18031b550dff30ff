"""Queries as SQL over the tables of schema.py.

compile      a Clause for some resource types -> a Condition
Condition    two forms of one clause: `driver`, a SELECT of the rids for which it holds, found by value; and `probe`,
             an expression that tests one rid. What is chosen to drive is written first in the SQL, with the indexes
             named: SQLite's planner knows nothing of how the values are spread and is never left to choose.
logic        All, Any, Not; which clause of a conjunction drives, by counting a bounded number of its rows
unsorted     the matches of one page in order of rid: read off an index, looked for one by one, or gathered
sorted       the same in order of sort keys
pages        the page with its cursors and total
includes     what is included with it
reader       statements under a limit of work and time
"""

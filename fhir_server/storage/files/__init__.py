"""What the embedded engine keeps in folders of its data folder, and what machines may share in one of theirs."""

"""Reports that are written when their time has come: indicators and answers of the lake as CSV, PDF and e-mail."""

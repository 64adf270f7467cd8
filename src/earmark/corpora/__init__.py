"""Where clips come from: a folder of files, a table with labels, the synthetic corpus."""

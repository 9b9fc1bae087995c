"""What the program can do, in verbs; the faces (command line, later web) speak to this only."""

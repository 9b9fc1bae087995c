"""An alert to more people than this machine could send to: the real planner and lanes, in virtual time."""

import sys
from pathlib import Path

# The campus of the other end-to-end tests is this one's too.
sys.path.append(str(Path(__file__).parents[1] / "e2e"))

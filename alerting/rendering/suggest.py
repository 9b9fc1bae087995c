"""Advice for a mistyped word."""

from __future__ import annotations

from collections.abc import Sequence


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return advice: the nearest word there is, or all of them."""
    from difflib import get_close_matches  # nobody has mistyped anything, as a rule

    folded = {each.casefold(): each for each in known}
    near = get_close_matches(word.casefold(), folded, n=1)
    if near:
        return f'did you mean "{folded[near[0]]}"?'
    if any(", " in each for each in known):
        known = [f'"{each}"' for each in known]
    return f"write one of: {', '.join(known)}" if known else "delete it"

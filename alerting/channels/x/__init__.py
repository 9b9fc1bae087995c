"""One account on X, through tweepy."""

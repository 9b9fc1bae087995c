"""One Facebook page, through facebook-sdk."""

"""A projection built anew beside the live one, as a generation that readers switch to at once."""

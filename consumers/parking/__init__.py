"""What an operator does with parked events: hand them on again, or drop them."""

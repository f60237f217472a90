"""A trained model leaves the house: saved, pushed, exported, with a card."""

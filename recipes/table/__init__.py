"""A model of one's own table: images, sound, texts, numbers and series by row."""

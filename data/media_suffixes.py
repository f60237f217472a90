"""One list of the endings of pictures, recordings and series, for every folder that is read."""

SUFFIXES = {
    "image": (
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
        ".avif", ".jp2", ".tga",
    ),
    "audio": (
        ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".w64", ".caf",
    ),
    "series": (".npy", ".csv", ".tsv"),
}  # fmt: skip
"""Endings of the files that can be read, by their kind."""

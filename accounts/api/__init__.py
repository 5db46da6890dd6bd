"""The API: its door, and one's own organisation."""

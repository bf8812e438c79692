"""What the screens show, as plain Python: no widget, no event loop, no terminal."""

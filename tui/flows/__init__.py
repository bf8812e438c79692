"""What happens from a key to a request: ask, show, do. Each flow runs as one worker of the app."""

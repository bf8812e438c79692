"""What the worker runs: ports, jobs and the answers to requests. Knows no socket and no screen."""

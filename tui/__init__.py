"""What people touch: the console (app, screens, widgets) and the command line. Knows core, never a wire."""

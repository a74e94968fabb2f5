"""What the documentation site takes from code: the command line, the settings, the README's opening."""

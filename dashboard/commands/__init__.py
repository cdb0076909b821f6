"""What is typed after `dashboard`: a module for each command, or for a few that need the same of the rest."""

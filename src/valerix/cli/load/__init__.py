"""`load`: synthetic traffic against a running installation, and what became of every order."""

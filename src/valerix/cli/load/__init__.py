"""`load`: synthetic traffic against a running installation, and the outcome of every order."""

"""How much a service takes on, in all and from one caller."""

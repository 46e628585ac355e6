"""How much work a service accepts, in total and from one caller."""

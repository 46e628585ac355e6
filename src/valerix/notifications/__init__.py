"""Who must know, knows: e-mail and SMS for customers and operators, live events for whoever is connected."""

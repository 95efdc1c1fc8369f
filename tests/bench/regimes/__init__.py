"""Training where texts are not many, short, balanced and all different: a module a regime."""

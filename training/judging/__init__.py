"""How good a bundle is, and the documents that say so."""

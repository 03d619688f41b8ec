"""Third parties, one file per provider, behind one small Protocol."""

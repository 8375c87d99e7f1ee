"""Formulas and frozen data of image formation and statistics: no files, ranks or options."""

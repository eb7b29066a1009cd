"""Problems and algorithms by name, one door for all: "zdt1" of the catalogue, "own.py:Beam" of a file."""

from moopt.catalogue.names import algorithm, check_pair, find, load, problem, table

__all__ = ["algorithm", "check_pair", "find", "load", "problem", "table"]

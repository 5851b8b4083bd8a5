"""Avläs reads heat, cooling, water and electricity meters remotely."""

__version__ = "0.1.0"

"""Whole connectors, written with nothing but networkpype's public names; copy and change them."""

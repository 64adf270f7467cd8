"""Tokenizers and text models that objectives use."""

"""Engines that need no key and no network: voice, recogniser, text model."""

"""Checks of a domain and of SMTP servers from the outside: facts gathered, judged, scored."""

"""The development issuer: answers like a Keycloak server, so that `make run` needs no Java.

FOR DEVELOPMENT ONLY. It listens on loopback alone, compares passwords that stand in a file, locks nobody out, and
shows the demo users on its login page. Paths, tokens, errors and events have the shapes of Keycloak 26, so that the
application runs the same code on it as on the real server. Its users and clients come from the same realm file.
"""

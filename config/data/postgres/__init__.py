"""The database engine of config.settings: Django's for PostgreSQL, measured, with a health check that costs nothing
and transactions that begin without a round trip.
"""

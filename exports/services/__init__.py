"""Requests for exports, their files, and the job that writes them."""

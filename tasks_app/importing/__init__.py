"""`manage.py import_tasks`: lines of a file (`files`), read strictly (`lines`), a batch in each transaction (`run`)."""

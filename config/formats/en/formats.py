"""How the admin writes days and times: as logs and the API do, to the second and with the zone."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s e"

"""Writes a GeoIP file with another program than the one that reads it.

Takes the file's path; standard input is JSON: {"192.0.2.0/24": RECORD, ...}.
"""

import json
import sys

from mmdb_writer import MMDBWriter
from netaddr import IPSet

writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Gatewright-Test")
for network, record in json.load(sys.stdin).items():
    writer.insert_network(IPSet([network]), record)
writer.to_db_file(sys.argv[1])

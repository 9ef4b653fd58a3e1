#!/usr/bin/python3
"""Watches the load of the server (tanaka, 2016). The screen it was for is gone."""
import os
import time

while True:
    with open("/var/log/shopmon.log", "a") as log:
        log.write("%d %.2f\n" % (time.time(), os.getloadavg()[0]))
    time.sleep(300)

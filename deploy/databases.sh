#!/bin/sh
# Runs once, when the server's data is created: one database and one role per service.
set -eu
for service in identity customers subscriptions billing notifier; do
    psql --set ON_ERROR_STOP=1 --username postgres <<SQL
CREATE ROLE kontor_$service LOGIN PASSWORD '$KONTOR_DB_PASSWORD';
CREATE DATABASE kontor_$service OWNER kontor_$service;
REVOKE CONNECT ON DATABASE kontor_$service FROM PUBLIC;
SQL
done

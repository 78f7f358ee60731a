#!/bin/sh
# slapd with deploy's files: the master, or with MASTER set a replica of it.
set -eu
hashed() { slappasswd -o module-load=argon2 -h '{ARGON2}' -s "$1"; }
install -m 644 /homing/qmail.schema /homing/homing.schema /etc/ldap/schema/
mkdir -p /etc/ldap/tls /run/slapd
cp /homing/ca.pem /homing/cert.pem /homing/key.pem /etc/ldap/tls/
sed "s|@ADMIN_PASSWORD@|$(hashed "$ADMIN_PASSWORD")|" /homing/slapd.conf > /etc/ldap/slapd.conf
if [ -n "$MASTER" ]; then
  sed "s|@MASTER@|$MASTER|;s|@REPLICA_PASSWORD@|$REPLICA_PASSWORD|" /homing/replica.conf > /etc/ldap/replica.conf
  sed -i 's|^#include|include|' /etc/ldap/slapd.conf
elif [ ! -e /homing/loaded ]; then
  rm -f /var/lib/ldap/*.mdb
  sed "s|@HOMING_PASSWORD_HASH@|$(hashed "$HOMING_PASSWORD")|;s|@REPLICA_PASSWORD_HASH@|$(hashed "$REPLICA_PASSWORD")|" \
    /homing/structure.ldif | cat - /homing/accounts.ldif | slapadd -q -f /etc/ldap/slapd.conf
  touch /homing/loaded
fi
chown -R openldap:openldap /var/lib/ldap /etc/ldap/tls /run/slapd /etc/ldap/*.conf
exec slapd -d stats -u openldap -g openldap -f /etc/ldap/slapd.conf -h "ldap://127.0.0.1:$LDAP_PORT/ ldaps://127.0.0.1:$LDAPS_PORT/"

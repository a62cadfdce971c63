#!/bin/sh
# Makes the self-signed certificate of the test server. Only its issuer is wrong: it is valid for this machine from 2000
# to 2100. `openssl req -x509` would do, but can set the first day only since OpenSSL 3.4.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
touch "$work/index.txt"
echo 01 > "$work/serial"
cat > "$work/ca.cnf" <<END
[ca]
default_ca = forged
[forged]
database = $work/index.txt
new_certs_dir = $work
serial = $work/serial
default_md = sha256
policy = any
[any]
commonName = supplied
[extensions]
subjectAltName = DNS:localhost, IP:127.0.0.1
basicConstraints = critical, CA:FALSE
END
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
    -keyout forged.key -out "$work/forged.csr"
openssl ca -batch -selfsign -notext -config "$work/ca.cnf" -extensions extensions \
    -startdate 20000101000000Z -enddate 21000101000000Z -keyfile forged.key -in "$work/forged.csr" -out forged.pem
rm -r "$work"

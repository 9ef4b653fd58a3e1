package capture

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// certificateFiles are usual places of certificates that people put on a host.
var certificateFiles = []string{
	"/etc/ssl/*.crt", "/etc/ssl/*.pem", "/etc/nginx/ssl/*.crt", "/etc/nginx/ssl/*.pem", "/etc/nginx/certs/*.crt", "/etc/nginx/certs/*.pem",
	"/etc/apache2/ssl/*.crt", "/etc/apache2/ssl/*.pem", "/etc/letsencrypt/live/*/fullchain.pem", "/etc/postfix/*.pem", "/etc/postfix/*.crt",
	"/etc/ssl/certs/ssl-cert-snakeoil.pem", "/usr/local/share/ca-certificates/*.crt", "/etc/pki/tls/certs/localhost.crt",
}

// certificateScript names the certificates that configuration refers to, and
// those at usual places, and prints them. Such files often hold the private key
// as well; sed lets only certificates leave the host.
const certificateScript = `{
	grep -hsv '^[[:space:]]*#' /etc/nginx/*.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/* /etc/nginx/streams-enabled/* /etc/nginx/snippets/ssl* /usr/local/nginx/conf/*.conf | grep -o 'ssl_certificate[[:space:]][^;]*' | sed 's/^ssl_certificate/nginx/'
	grep -hs '^[[:space:]]*SSLCertificateFile' /etc/apache2/*/* /etc/httpd/conf*/* | sed 's/^[[:space:]]*[^[:space:]]*/apache/'
	grep -hsE '^(smtpd?|lmtp)_tls_(ec|d)?cert_file' /etc/postfix/main.cf | sed 's/^[^=]*=/postfix /'
	grep -hs '^[[:space:]]*ssl_cert[[:space:]]*=' /etc/dovecot/*.conf /etc/dovecot/conf.d/* | sed 's/^[^=]*=[[:space:]]*</dovecot /'
	grep -hsE '^ssl[-_]cert[[:space:]]*=' /etc/my.cnf /etc/mysql/*.cnf /etc/mysql/*/*.cnf | sed 's/^[^=]*=/mysql /'
	for f in @FILES@; do [ -f "$f" ] && echo "- $f"; done
} | tr -d "\"'" | sort -u | while read -r by f rest; do
	case $f in '' | *'$'*) continue ;; /*) ;; *) f=/etc/$by/$f ;; esac
	echo "@@ $by $f"
	if ! [ -e "$f" ]; then echo "! no such file"
	elif ! [ -r "$f" ]; then echo "! permission denied"
	else sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' "$f" | head -n 500; fi
done`

// certificateSource: certificates with their names and expiry. Private keys
// are never read.
func certificateSource() Source {
	return Source{
		Name:       "certificate",
		Kinds:      []hostspec.Kind{hostspec.Certificate},
		ImageFiles: certificateFiles,
		Commands:   []Command{{ID: "pem", Script: strings.Replace(certificateScript, "@FILES@", strings.Join(certificateFiles, " "), 1)}},
		Parse:      parseCertificates,
	}
}

func parseCertificates(in *Input, out *Builder) {
	if in.Image {
		for _, path := range in.Glob(certificateFiles...) {
			content, err := in.Read(path)
			certificate(out, path, string(content), err, nil)
		}
		return
	}
	output, err := in.Command("pem")
	if err != nil {
		out.Unknown(hostspec.Certificate, err.Error())
	}
	users, contents := map[string][]string{}, map[string]string{}
	for part := range strings.SplitSeq("\n"+string(output.Stdout), "\n@@ ") {
		head, text, _ := strings.Cut(part, "\n")
		by, path, found := strings.Cut(head, " ")
		if !found {
			continue
		}
		contents[path] = text
		if by != "-" {
			users[path] = append(users[path], by)
		}
	}
	for path, text := range contents {
		var err error
		if reason, failed := strings.CutPrefix(text, "! "); failed {
			err = errors.New(strings.TrimSpace(reason))
		}
		certificate(out, path, text, err, unique(users[path]))
	}
}

// certificate adds the first certificate of a file, which is the server's; the
// others are its chain. A file that nothing refers to and that has none is no
// certificate.
func certificate(out *Builder, path, content string, err error, users []string) {
	usedBy := List("usedBy", users)
	block, rest := pem.Decode([]byte(content))
	for block != nil && block.Type != "CERTIFICATE" {
		block, rest = pem.Decode(rest)
	}
	if err == nil && block == nil {
		if len(users) == 0 {
			return
		}
		err = errors.New("no certificate in the file")
	}
	var leaf *x509.Certificate
	if err == nil {
		leaf, err = x509.ParseCertificate(block.Bytes)
	}
	if err != nil {
		out.Add(hostspec.Certificate, path, Unknown("subject", err), Unknown("expires", err), usedBy)
		return
	}
	out.Add(hostspec.Certificate, path,
		Text("subject", leaf.Subject.String()), List("names", alternativeNames(leaf)), Text("issuer", leaf.Issuer.String()),
		Text("expires", leaf.NotAfter.UTC().Format(time.RFC3339)), Text("key", keyType(leaf.PublicKey)),
		Flag("selfSigned", leaf.Subject.String() == leaf.Issuer.String()),
		Int("chain", int64(strings.Count(string(rest), "-----BEGIN CERTIFICATE-----"))), usedBy)
}

func alternativeNames(certificate *x509.Certificate) []string {
	names := append([]string{}, certificate.DNSNames...)
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}
	return unique(append(names, certificate.EmailAddresses...))
}

func keyType(key any) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}

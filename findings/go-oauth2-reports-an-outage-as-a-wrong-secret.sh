#!/usr/bin/env bash
#
# Go's golang.org/x/oauth2 takes a passing failure of a token endpoint for a sign that the endpoint wants the client
# secret elsewhere: it sends the same request again at once, with the secret in the body, and reports the second answer.
#
# Why it matters: the first answer is lost. Where the endpoint takes secrets in the header only, a 503 with `Retry-After`
# becomes `401 invalid_client`, and people look for a wrong secret during an outage. Where it takes both, the client
# keeps the secret in the body from then on, for as long as the process lives. An endpoint that limits requests gets two
# for each attempt that it refuses. This is the style of authentication when a program sets none, and it lasts until the
# first success. `AuthStyle: oauth2.AuthStyleInHeader` turns it off; the `Retry-After` of the 503 is then in the error.
#
# Seen with golang.org/x/oauth2 0.38.0 on Go 1.26, each time with the right secret:
#   the endpoint                                    requests                  what the program gets
#   503 once, then takes the header only            header 503, body 401      401 invalid_client
#   503 once, then takes both                       header 503, body 200      a token; the next request: body 200
#   429 always                                      header 429, body 429      429
#   503 once, then takes both; AuthStyleInHeader    header 503                503, Retry-After: 30
set -euo pipefail

work="$(mktemp -d)"
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"

cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// endpoint is a token endpoint that fails a number of times, and notes where each request had the secret.
type endpoint struct {
	failure, failures int
	headerOnly        bool
	seen              []string
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, secret, inHeader := r.BasicAuth()
	place := "header"
	if !inHeader {
		place, secret = "body", r.FormValue("client_secret")
	}
	status, body := http.StatusOK, `{"access_token": "token", "token_type": "Bearer", "expires_in": 1}`
	switch {
	case e.failures > 0:
		e.failures--
		status, body = e.failure, `{"error": "temporarily_unavailable"}`
		w.Header().Set("Retry-After", "30")
	case secret != "secret" || (e.headerOnly && !inHeader):
		status, body = http.StatusUnauthorized, `{"error": "invalid_client"}`
	}
	e.seen = append(e.seen, fmt.Sprintf("%s %d", place, status))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// ask asks for a token so many times, and tells the requests that were made and the last outcome.
func ask(name string, e *endpoint, style oauth2.AuthStyle, times int) {
	server := httptest.NewServer(e)
	defer server.Close()
	config := clientcredentials.Config{ClientID: "app", ClientSecret: "secret", TokenURL: server.URL, AuthStyle: style}
	outcome := ""
	for range times {
		_, err := config.Token(context.Background())
		var refused *oauth2.RetrieveError
		switch {
		case err == nil:
			outcome = "a token"
		case errors.As(err, &refused):
			outcome = fmt.Sprintf("%d %s, Retry-After: %q", refused.Response.StatusCode, refused.ErrorCode,
				refused.Response.Header.Get("Retry-After"))
		default:
			outcome = err.Error()
		}
	}
	fmt.Printf("%s: %s: %s\n", name, strings.Join(e.seen, ", "), outcome)
}

func main() {
	const detect, header = oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader
	ask("header only", &endpoint{failure: 503, failures: 1, headerOnly: true}, detect, 1)
	ask("both", &endpoint{failure: 503, failures: 1}, detect, 2)
	ask("both, no failure", &endpoint{}, detect, 2)
	ask("limited", &endpoint{failure: 429, failures: 100}, detect, 1)
	ask("header set", &endpoint{failure: 503, failures: 1}, header, 1)
}
GO
{
    go mod init finding
    go get golang.org/x/oauth2@v0.38.0
    go mod tidy
    go build -o ask .
} >log 2>&1

./ask | tee seen
diff - seen <<'EXPECTED'
header only: header 503, body 401: 401 invalid_client, Retry-After: ""
both: header 503, body 200, body 200: a token
both, no failure: header 200, header 200: a token
limited: header 429, body 429: 429 temporarily_unavailable, Retry-After: "30"
header set: header 503: 503 temporarily_unavailable, Retry-After: "30"
EXPECTED
echo "as found"

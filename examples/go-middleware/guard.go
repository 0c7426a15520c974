// Package guard is middleware for net/http that asks Countersign about the token of every request. Copy this file. A
// logout counts from the next request on, no secret is shared, and clients get the fresh tokens that keep them signed
// in.
package guard

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

type accountKey struct{}

// Account returns the caller's account in the form of `GET /v1/me`: {"id":…,"usernameIdentity":{…}} or
// {…"emailIdentity":{…}}.
func Account(ctx context.Context) json.RawMessage {
	account, _ := ctx.Value(accountKey{}).(json.RawMessage)
	return account
}

// Guard serves next to requests with a token that the Countersign server at this URL (http://127.0.0.1:3008) accepts.
func Guard(server string, next http.Handler) http.Handler {
	// Connections are kept for less time than the server keeps idle ones.
	pool := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 15 * time.Second}
	client := &http.Client{Timeout: 5 * time.Second, Transport: pool}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var me struct{ Account json.RawMessage }
		answer, body, err := ask(client, server, r)
		switch {
		case err == nil && answer.StatusCode == http.StatusOK && json.Unmarshal(body, &me) == nil:
			w.Header()["Token"] = answer.Header["Token"]
			w.Header().Set("Cache-Control", "no-store") // a token is in the answer
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accountKey{}, me.Account)))
		case err == nil && answer.StatusCode == http.StatusUnauthorized:
			for _, name := range []string{"Www-Authenticate", "Content-Type", "Cache-Control"} {
				w.Header()[name] = answer.Header[name]
			}
			w.WriteHeader(http.StatusUnauthorized)
			w.Write(body)
		default: // the token cannot be checked now: the client must keep it, and try again
			w.Header().Set("Retry-After", "1")
			http.Error(w, "authentication is out of reach", http.StatusServiceUnavailable)
		}
	})
}

func ask(client *http.Client, server string, r *http.Request) (*http.Response, []byte, error) {
	question, err := http.NewRequestWithContext(r.Context(), http.MethodGet, server+"/v1/me", nil)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{"Token", "Authorization"} {
		question.Header[name] = r.Header[name] // as often as it was sent: the server judges that
	}
	answer, err := client.Do(question)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	return answer, body, err
}

// The tests use the real server at COUNTERSIGN_URL, which `examples/test` starts.
package guard

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

var server = os.Getenv("COUNTERSIGN_URL")

// call makes a request and returns the answer with its body read.
func call(t *testing.T, method, url, body string, tokens ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for _, token := range tokens {
		request.Header.Add("Token", token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// register returns the token of a new account of this name.
func register(t *testing.T, name string) string {
	t.Helper()
	body := fmt.Sprintf(`{"username":%q,"password":"s3cur3pass"}`, name)
	answer, text := call(t, "POST", server+"/v1/accounts", body)
	var registered struct{ Token string }
	if json.Unmarshal([]byte(text), &registered); registered.Token == "" {
		t.Fatal(answer.Status, text)
	}
	return registered.Token
}

// guarded returns the URL of a service that answers with the name of the caller.
func guarded(t *testing.T, server string) string {
	service := httptest.NewServer(Guard(server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var account struct{ UsernameIdentity struct{ Username string } }
		json.Unmarshal(Account(r.Context()), &account)
		fmt.Fprintf(w, "hello, %s", account.UsernameIdentity.Username)
	})))
	t.Cleanup(service.Close)
	return service.URL
}

func TestACallerIsKnownByNameAndGetsAFreshToken(t *testing.T) {
	token := register(t, "go-alice")
	answer, text := call(t, "GET", guarded(t, server), "", token)
	fresh := answer.Header.Get("Token")
	if answer.StatusCode != 200 || text != "hello, go-alice" || fresh == "" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Fatal(answer.Status, text, answer.Header)
	}
	if again, text := call(t, "GET", guarded(t, server), "", fresh); again.StatusCode != 200 {
		t.Fatal("with the fresh token:", again.Status, text)
	}
}

func TestTheRequestAfterALogoutIsRefused(t *testing.T) {
	token := register(t, "go-bob")
	url := guarded(t, server)
	if before, text := call(t, "GET", url, "", token); before.StatusCode != 200 {
		t.Fatal(before.Status, text)
	}
	call(t, "POST", server+"/v1/sessions:logout", "", token)
	began := time.Now()
	answer, text := call(t, "GET", url, "", token)
	if answer.StatusCode != 401 || !strings.Contains(text, "TOKEN_INVALID") || answer.Header.Get("Token") != "" {
		t.Fatal(answer.Status, text, answer.Header)
	}
	t.Logf("the first request after the logout was refused in %s", time.Since(began))
}

func TestWithoutATokenOrWithTwoTheServersRefusalIsPassedOn(t *testing.T) {
	url := guarded(t, server)
	for _, tokens := range [][]string{{}, {"x"}, {register(t, "go-carol"), register(t, "go-dave")}} {
		answer, text := call(t, "GET", url, "", tokens...)
		if answer.StatusCode != 401 || !strings.HasPrefix(answer.Header.Get("Www-Authenticate"), "Bearer") {
			t.Error(len(tokens), answer.Status, text, answer.Header)
		}
	}
}

func TestAServerOutOfReachIsNotTheTokensFault(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	answer, text := call(t, "GET", guarded(t, closed.URL), "", register(t, "go-erin"))
	if answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
		t.Fatal(answer.Status, text)
	}
}

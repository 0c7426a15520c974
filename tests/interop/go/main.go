// Has three libraries verify the tokens of a table: `go run . TABLE`. golang-jwt does it with the code of
// docs/guarding.md, go-jose with keys that it is given, and go-oidc with keys that it finds by the issuer alone.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
)

type table struct {
	Issuer, Audience, Algorithm string
	Cases                       []struct {
		Name, Token string
		Accept      bool
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func get[T any](url string) (value T) {
	answer := must(http.Get(url))
	defer answer.Body.Close()
	must(0, json.NewDecoder(answer.Body).Decode(&value))
	return value
}

func golangJWT() func(string) error {
	keys := must(fetchKeys())
	return func(token string) error {
		_, err := verify(keys, token)
		return err
	}
}

func goJose(t table) func(string) error {
	metadata := get[struct {
		URL string `json:"jwks_uri"`
	}](t.Issuer + "/.well-known/openid-configuration")
	keys := get[jose.JSONWebKeySet](metadata.URL)
	return func(token string) error {
		parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.Algorithm)})
		if err != nil {
			return err
		}
		var claims josejwt.Claims
		if err := parsed.Claims(keys, &claims); err != nil {
			return err
		}
		expected := josejwt.Expected{Issuer: t.Issuer, AnyAudience: []string{t.Audience}, Time: time.Now()}
		return claims.ValidateWithLeeway(expected, 0)
	}
}

func goOIDC(t table) func(string) error {
	provider := must(oidc.NewProvider(context.Background(), t.Issuer))
	verifier := provider.Verifier(&oidc.Config{ClientID: t.Audience})
	return func(token string) error {
		_, err := verifier.Verify(context.Background(), token)
		return err
	}
}

func main() {
	var t table
	must(0, json.Unmarshal(must(os.ReadFile(os.Args[1])), &t))
	for _, library := range []struct {
		name   string
		verify func(string) error
	}{{"golang-jwt", golangJWT()}, {"go-jose", goJose(t)}, {"go-oidc", goOIDC(t)}} {
		var wrong []string
		for _, tried := range t.Cases {
			if err := library.verify(tried.Token); (err == nil) != tried.Accept {
				wrong = append(wrong, fmt.Sprintf("%s (%v)", tried.Name, err))
			}
		}
		if len(wrong) > 0 {
			log.Fatalf("%s, %s: wrong about the token %s", library.name, t.Algorithm, strings.Join(wrong, "; "))
		}
		fmt.Printf("   ok: %s, %s, %d tokens\n", library.name, t.Algorithm, len(t.Cases))
	}
}

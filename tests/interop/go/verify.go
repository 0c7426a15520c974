// The code of docs/guarding.md in Go.
package main

import (
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

func fetchKeys() (keyfunc.Keyfunc, error) {
	return keyfunc.NewDefault([]string{"https://auth.example.com/.well-known/jwks.json"})
}

func verify(keys keyfunc.Keyfunc, token string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, keys.Keyfunc,
		jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithIssuer("https://auth.example.com"),
		jwt.WithAudience("api.example.com"),
		jwt.WithExpirationRequired())
	return claims, err
}

// Package token keeps a client of Countersign signed in: it sends the newest token with every call and keeps the fresh
// one that every answer brings. It is this one file, to be copied; it needs no generated code.
//
//	keeper := token.NewKeeper(saved, func(token string) { … })
//	conn, err := grpc.NewClient(address, …, grpc.WithChainUnaryInterceptor(keeper.Intercept))
//	…
//	keeper.Set(login.GetToken()) // after Login, or the Register of a username
//
// Every call that takes a token is unary; streams (WatchRevocations, with its own credential) pass untouched.
//
// A Keeper is one signed-in user and safe for concurrent use. Calls that overlap may store their tokens in any order:
// each is good until it expires, so the last to arrive is kept. What must not happen is that an answer from a session
// that is over puts its token in the place of a newer session's, or of none: each call remembers the session that it
// began in, and Set begins another.
package token

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Keeper holds the newest token of one session.
type Keeper struct {
	changed func(token string)

	mu      sync.Mutex
	token   string
	session int
}

// NewKeeper returns a Keeper that begins with the token saved by an earlier run, or "".
//
// Whenever the token changes, changed is told the new one, to be saved; or "" when there is none any more: the user
// logged out, or the server refused it (UNAUTHENTICATED) and the user must log in again. It is told one change at a
// time, in their order, so it must neither take long nor call the Keeper. It may be nil.
func NewKeeper(saved string, changed func(token string)) *Keeper {
	if changed == nil {
		changed = func(string) {}
	}
	return &Keeper{token: saved, changed: changed}
}

// Token returns the newest token, "" when there is none.
func (k *Keeper) Token() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.token
}

// Set begins another session with its first token, or ends the present one with "".
func (k *Keeper) Set(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.session++
	k.store(token)
}

// Intercept is a grpc.UnaryClientInterceptor. Its place is on connections to services that accept these tokens, and on
// no other: it would send the token there, too. A call that brings a credential of its own is left alone, because two
// different ones are refused. (Credentials given as grpc.PerRPCCredentials are not seen here: do not combine them.)
func (k *Keeper) Intercept(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	own, _ := metadata.FromOutgoingContext(ctx)
	if !takesToken(method) || len(own.Get("token")) > 0 || len(own.Get("authorization")) > 0 {
		return invoke(ctx, method, req, reply, conn, opts...)
	}

	k.mu.Lock()
	sent, session := k.token, k.session
	k.mu.Unlock()
	if sent != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", sent)
	}
	var header, trailer metadata.MD
	err := invoke(ctx, method, req, reply, conn, append(opts, grpc.Header(&header), grpc.Trailer(&trailer))...)

	k.mu.Lock()
	defer k.mu.Unlock()
	if session != k.session {
		return err
	}
	// A failure is answered by headers alone, which gRPC calls trailers.
	fresh := append(header.Get("token"), trailer.Get("token")...)
	switch {
	case len(fresh) > 0:
		k.store(fresh[0])
	case err == nil && method == "/countersign.v1.AuthService/Logout":
		k.session++
		k.store("")
	// Only if nothing fresher came meanwhile: that one may be good when this one had expired.
	case status.Code(err) == codes.Unauthenticated && sent == k.token:
		k.session++
		k.store("")
	}
	return err
}

// store is called with the lock held: changes are told in the order in which they are made.
func (k *Keeper) store(token string) {
	if token != k.token {
		k.token = token
		k.changed(token)
	}
}

// takesToken tells whether a method reads a token. The others would ignore one, but nothing should be sent it in vain.
func takesToken(method string) bool {
	switch method {
	case "/countersign.v1.AuthService/Register", "/countersign.v1.AuthService/Login":
		return false
	}
	return !strings.HasPrefix(method, "/grpc.") // health and reflection
}

// Package token keeps a client of Countersign signed in. It sends the newest token with every call, and keeps the fresh
// token of every answer. Copy this file; it needs no generated code.
//
//	keeper := token.NewKeeper(saved, func(token string) { … })
//	conn, err := grpc.NewClient(address, …, grpc.WithChainUnaryInterceptor(keeper.Intercept))
//	…
//	keeper.Set(login.GetToken()) // after Login, or the Register of a username
//
// Only unary calls are given a token. Streams are left alone: WatchRevocations takes a credential of its own, and the
// streams of AdminService must be given a token by their caller.
//
// A Keeper stands for one signed-in user and is safe for concurrent use. Calls that overlap may store their tokens in
// any order: each is valid until it expires, so the last one to arrive is kept. But an answer that belongs to an
// earlier session must not replace the token of a newer one, or bring a token back after a logout. So each call
// remembers the session that it began in, and Set begins a new session.
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
// Whenever the token changes, changed is called with the new token, to save it. It is called with "" when the user has
// logged out, or when the server refused the token (UNAUTHENTICATED) and the user must log in again. It is called with
// one change after another, in order, so it must neither take long nor call the Keeper. It may be nil.
func NewKeeper(saved string, changed func(token string)) *Keeper {
	if changed == nil {
		changed = func(string) {}
	}
	return &Keeper{token: saved, changed: changed}
}

// Token returns the newest token, or "" if there is none.
func (k *Keeper) Token() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.token
}

// Set begins a new session with its first token, or ends the present one with "".
func (k *Keeper) Set(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.session++
	k.store(token)
}

// Intercept is a grpc.UnaryClientInterceptor. Use it only on connections to services that accept these tokens, because
// it sends the token to every service. A call that has a credential of its own is left alone, because a call with two
// different credentials is refused. Intercept does not see grpc.PerRPCCredentials, so do not combine it with them.
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
	// A failed call has its metadata in the trailers: its answer has headers only, and gRPC calls those trailers.
	fresh := append(header.Get("token"), trailer.Get("token")...)
	switch {
	case len(fresh) > 0:
		k.store(fresh[0])
	case err == nil && method == "/countersign.v1.AuthService/Logout":
		k.session++
		k.store("")
	// Only if no other call has brought a fresher token meanwhile, which may be valid.
	case status.Code(err) == codes.Unauthenticated && sent == k.token:
		k.session++
		k.store("")
	}
	return err
}

// store must be called with the lock held, so that changed is called in the order of the changes.
func (k *Keeper) store(token string) {
	if token != k.token {
		k.token = token
		k.changed(token)
	}
}

// takesToken reports whether a method is sent the token. The other methods would ignore it.
func takesToken(method string) bool {
	switch method {
	case "/countersign.v1.AuthService/Register", "/countersign.v1.AuthService/Login":
		return false
	}
	return !strings.HasPrefix(method, "/grpc.") // health and reflection
}

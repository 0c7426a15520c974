package token

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	me     = "/countersign.v1.AuthService/Me"
	login  = "/countersign.v1.AuthService/Login"
	logout = "/countersign.v1.AuthService/Logout"
)

// TestKeeper tests events before an answer arrives, which the example cannot arrange with a real server.
func TestKeeper(t *testing.T) {
	unauthenticated := status.Error(codes.Unauthenticated, "")
	for _, test := range []struct {
		name      string
		method    string
		own       string          // metadata that the caller sets by itself
		meanwhile func(k *Keeper) // before the answer arrives
		fresh     string          // the token of the answer
		err       error
		sent      string
		kept      string
	}{
		{name: "a fresh token is kept", method: me, fresh: "2", sent: "1", kept: "2"},
		{name: "that of a failure, too", method: me, fresh: "2", err: status.Error(codes.NotFound, ""), sent: "1", kept: "2"},
		{name: "none is no news", method: me, err: status.Error(codes.Unavailable, ""), sent: "1", kept: "1"},
		{name: "a refused one is forgotten", method: me, err: unauthenticated, sent: "1", kept: ""},
		{name: "a logout forgets", method: logout, sent: "1", kept: ""},
		{name: "a failed logout does not", method: logout, fresh: "2", err: status.Error(codes.Unavailable, ""), sent: "1", kept: "2"},
		{name: "a login is sent none", method: login, err: unauthenticated, sent: "", kept: "1"},
		{name: "an own token goes instead, and its answer is another's", method: me, own: "token", fresh: "2", sent: "own", kept: "1"},
		{name: "an own credential goes alone", method: me, own: "authorization", fresh: "2", sent: "", kept: "1"},
		{name: "an answer after the end is dropped", method: me, meanwhile: func(k *Keeper) { k.Set("") }, fresh: "2", sent: "1", kept: ""},
		{name: "one of the session before, too", method: me, meanwhile: func(k *Keeper) { k.Set("new") }, fresh: "2", sent: "1", kept: "new"},
		{name: "the refusal of it ends nothing", method: me, meanwhile: func(k *Keeper) { k.Set("new") }, err: unauthenticated, sent: "1", kept: "new"},
		{name: "the logout of it ends nothing", method: logout, meanwhile: func(k *Keeper) { k.Set("new") }, sent: "1", kept: "new"},
		{name: "a refusal of an older token ends nothing", method: me, meanwhile: func(k *Keeper) { answer(k, "3") }, err: unauthenticated, sent: "1", kept: "3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			told := []string{"1"}
			k := NewKeeper("1", func(token string) { told = append(told, token) })
			ctx := context.Background()
			if test.own != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, test.own, "own")
			}
			sent := ""
			invoke := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
				md, _ := metadata.FromOutgoingContext(ctx)
				if tokens := md.Get("token"); len(tokens) == 1 {
					sent = tokens[0]
				} else if len(tokens) > 1 {
					t.Errorf("sent %q", tokens)
				}
				if test.meanwhile != nil {
					test.meanwhile(k)
				}
				reply(test.fresh, test.err != nil, opts)
				return test.err
			}
			if err := k.Intercept(ctx, test.method, nil, nil, nil, invoke); err != test.err {
				t.Errorf("the call ended with %v", err)
			}
			if sent != test.sent || k.Token() != test.kept || told[len(told)-1] != test.kept {
				t.Errorf("sent %q, kept %q, told %q", sent, k.Token(), told)
			}
		})
	}
}

// answer makes a whole call whose answer has a fresh token.
func answer(k *Keeper, fresh string) {
	_ = k.Intercept(context.Background(), me, nil, nil, nil,
		func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
			reply(fresh, false, opts)
			return nil
		})
}

// reply puts a fresh token where grpc puts it: all metadata of a failed call are trailers.
func reply(fresh string, failed bool, opts []grpc.CallOption) {
	if fresh == "" {
		return
	}
	for _, opt := range opts {
		switch opt := opt.(type) {
		case grpc.HeaderCallOption:
			if !failed {
				*opt.HeaderAddr = metadata.Pairs("token", fresh)
			}
		case grpc.TrailerCallOption:
			if failed {
				*opt.TrailerAddr = metadata.Pairs("token", fresh)
			}
		}
	}
}

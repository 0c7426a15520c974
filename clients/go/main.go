// Does everything that a client of Countersign does, against a server with tokens that live for a few seconds:
//
//	ALLOW_REGISTRATION=true USERNAME_TOKEN_LIFETIME=3s countersign
//	clients/go/run 127.0.0.1:3008
//
// It succeeds only if every step had the expected result.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "example.com/countersign/clients/go/gen/countersign/v1"
	"example.com/countersign/clients/go/token"
)

func main() {
	log.SetFlags(0)
	address := os.Getenv("COUNTERSIGN_ADDR")
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if address == "" {
		log.Fatal("usage: example HOST:PORT (or COUNTERSIGN_ADDR)")
	}
	if err := run(address); err != nil {
		log.Fatal("FAILED: ", err)
	}
}

func run(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	saved := "" // a real client uses a file or a keychain
	keeper := token.NewKeeper(saved, func(token string) { saved = token })
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(keeper.Intercept))
	if err != nil {
		return err
	}
	defer conn.Close()
	auth := pb.NewAuthServiceClient(conn)
	sessions := pb.NewSessionServiceClient(conn)

	// A bad registration is answered with every bad field at once.
	_, err = auth.Register(ctx, &pb.RegisterRequest{
		Handle: &pb.RegisterRequest_Username{Username: "go"}, Password: "1234"})
	var fields []string
	for _, violation := range detail[*errdetails.BadRequest](err).GetFieldViolations() {
		fields = append(fields, violation.GetField())
		fmt.Printf("%s %s\n", violation.GetField(), violation.GetDescription())
	}
	if err := expect(err, codes.InvalidArgument, "VALIDATION"); err != nil {
		return err
	}
	if strings.Join(fields, " ") != "username password" {
		return fmt.Errorf("the violations were of %v", fields)
	}

	// Registering signs a username account in, too; this client logs in anyway.
	username := "go-" + strings.ToLower(rand.Text()[:10])
	if _, err = auth.Register(ctx, &pb.RegisterRequest{
		Handle: &pb.RegisterRequest_Username{Username: username}, Password: "s3cur3pass"}); err != nil {
		return err
	}
	_, err = auth.Login(ctx, &pb.LoginRequest{
		Handle: &pb.LoginRequest_Username{Username: username}, Password: "wrong-pass"})
	if err := expect(err, codes.Unauthenticated, "INVALID_CREDENTIALS"); err != nil {
		return err
	}
	login, err := auth.Login(ctx, &pb.LoginRequest{
		Handle: &pb.LoginRequest_Username{Username: username}, Password: "s3cur3pass"})
	if err != nil {
		return err
	}
	keeper.Set(login.GetToken())
	first := keeper.Token()
	lifetime := time.Duration(login.GetExpiresIn()) * time.Second
	if lifetime > 30*time.Second {
		return fmt.Errorf("tokens live for %v: start the server with USERNAME_TOKEN_LIFETIME=3s", lifetime)
	}
	fmt.Printf("%s is logged in for %v\n", username, lifetime)

	// The answer to a failed call has a fresh token, too. (Two tokens of the same second are equal.)
	time.Sleep(time.Second)
	_, err = sessions.RevokeSession(ctx, &pb.RevokeSessionRequest{SessionId: "no-such-session"})
	if err := expect(err, codes.NotFound, "NOT_FOUND"); err != nil {
		return err
	}
	if saved == first {
		return fmt.Errorf("the failed call brought no fresh token")
	}

	// A client that keeps calling stays signed in, with several calls at once: the first token expires, the session goes
	// on.
	var calling sync.WaitGroup
	failures := make(chan error, 4)
	for range 4 {
		calling.Go(func() {
			for began := time.Now(); time.Since(began) < lifetime+time.Second; time.Sleep(300 * time.Millisecond) {
				me, err := auth.Me(ctx, &pb.MeRequest{})
				if err == nil && me.GetAccount().GetUsernameIdentity().GetUsername() != username {
					err = fmt.Errorf("Me answered %v", me)
				}
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	calling.Wait()
	close(failures)
	if err := <-failures; err != nil {
		return err
	}
	// If the call itself gives the first token, that one is sent instead of the kept token.
	_, err = auth.Me(metadata.AppendToOutgoingContext(ctx, "token", first), &pb.MeRequest{})
	if err := expect(err, codes.Unauthenticated, "TOKEN_EXPIRED"); err != nil {
		return err
	}
	if _, err = auth.Me(ctx, &pb.MeRequest{}); err != nil {
		return err
	}
	fmt.Println("the first token has expired, the session goes on")

	last := keeper.Token()
	if _, err = auth.Logout(ctx, &pb.LogoutRequest{}); err != nil {
		return err
	}
	if saved != "" {
		return fmt.Errorf("a token is kept after the logout")
	}

	// As if another process had saved this token. It is refused and forgotten, so the user must log in again.
	keeper.Set(last)
	_, err = auth.Me(ctx, &pb.MeRequest{})
	if err := expect(err, codes.Unauthenticated, "TOKEN_INVALID"); err != nil {
		return err
	}
	if saved != "" {
		return fmt.Errorf("the refused token is still kept")
	}
	fmt.Println("logged out: the last token is refused")
	return nil
}

// expect shows how to read errors: the code says what to do, and the reason says why.
func expect(err error, code codes.Code, reason string) error {
	if got := detail[*errdetails.ErrorInfo](err).GetReason(); status.Code(err) != code || got != reason {
		return fmt.Errorf("expected %v %s, got %q: %v", code, reason, got, err)
	}
	fmt.Printf("%v %s: %s\n", code, reason, status.Convert(err).Message())
	return nil
}

// detail finds the detail of a type in an error, or nil, which the getters accept.
func detail[T any](err error) (found T) {
	for _, one := range status.Convert(err).Details() {
		if detail, ok := one.(T); ok {
			return detail
		}
	}
	return found
}

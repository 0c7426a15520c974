// Registers an account, signs in and asks for the account, with the client that oapi-codegen has made.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"countersign.test/generators/oapi"
)

func main() {
	ctx := context.Background()
	client, err := oapi.NewClientWithResponses(os.Getenv("COUNTERSIGN_URL"))
	if err != nil {
		log.Fatal(err)
	}
	credentials := oapi.UsernameCredentialsRequest{
		Username: fmt.Sprintf("g%d", time.Now().UnixMilli()),
		Password: "s3cur3pass",
	}
	registered, err := client.UsernameRegisterWithResponse(ctx, credentials)
	if err != nil || registered.JSON200 == nil {
		log.Fatal("register: ", err, registered)
	}
	login, err := client.UsernameLoginWithResponse(ctx, nil, credentials)
	if err != nil || login.JSON200 == nil {
		log.Fatal("login: ", err, login)
	}
	withToken := func(_ context.Context, request *http.Request) error {
		request.Header.Set("token", login.JSON200.Token)
		return nil
	}
	checked, err := client.UsernameMeWithResponse(ctx, withToken)
	if err != nil || checked.StatusCode() != http.StatusNoContent {
		log.Fatal("username me: ", err, checked)
	}
	me, err := client.MeWithResponse(ctx, withToken)
	if err != nil || me.JSON200 == nil || *me.JSON200.Account.UsernameIdentity.Username != credentials.Username {
		log.Fatal("me: ", err, me)
	}
}

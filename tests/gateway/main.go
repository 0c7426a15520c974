// The other transcoder: grpc-gateway, generated from the tests' protos and from our own, with a port for each API. The
// test `gateway` starts it, reads lines of `name address` from its standard output, and closes its standard input at
// the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/textproto"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	// The detail messages of statuses, which are needed to write them as JSON.
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/protobuf/encoding/protojson"

	countersign "countersign.test/gateway/gen/countersign/v1"
	"countersign.test/gateway/gen/transcoding/published/additional"
	"countersign.test/gateway/gen/transcoding/published/body_field"
	"countersign.test/gateway/gen/transcoding/published/body_star"
	"countersign.test/gateway/gen/transcoding/published/query"
	"countersign.test/gateway/gen/transcoding/published/resource_name"
	"countersign.test/gateway/gen/transcoding/published/selector"
	test "countersign.test/gateway/gen/transcoding/test/v1"
)

type register func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error

func main() {
	echo := flag.String("echo", "", "the address of the echo server, for the tests' protos")
	real := flag.String("countersign", "", "the address of Countersign, for its own protos")
	flag.Parse()
	// The tests make it fail on purpose, so its log is discarded.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	if *echo != "" {
		serve("echo", *echo, test.RegisterEchoHandler, test.RegisterBodiesHandler)
		serve("resource_name", *echo, resource_name.RegisterMessagingHandler)
		serve("query", *echo, query.RegisterMessagingHandler)
		serve("body_field", *echo, body_field.RegisterMessagingHandler)
		serve("body_star", *echo, body_star.RegisterMessagingHandler)
		serve("additional", *echo, additional.RegisterMessagingHandler)
		serve("selector", *echo, selector.RegisterMessagingHandler)
	}
	if *real != "" {
		serve("countersign", *real, countersign.RegisterAuthServiceHandler, countersign.RegisterSessionServiceHandler,
			countersign.RegisterAdminServiceHandler, countersign.RegisterKeyServiceHandler,
			countersign.RegisterCredentialServiceHandler)
	}
	fmt.Println("ready")
	// Standard input ends when the test ends, even if it is killed.
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func serve(name, target string, services ...register) {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		log.Fatal(err)
	}
	mux := runtime.NewServeMux(
		// The options on which both transcoders agree. JSON: unset fields are left out, and unknown fields are refused.
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{
			MarshalOptions:   protojson.MarshalOptions{EmitUnpopulated: false},
			UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false},
		}),
		// http.proto: `"%2F" and "%2f" are left unchanged` in variables of several segments, nothing else is.
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptSlash),
		// The method is that of the request line, without an override.
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithIncomingHeaderMatcher(func(name string) (string, bool) {
			switch textproto.CanonicalMIMEHeaderKey(name) {
			case "Token":
				return "token", true
			default:
				// The gateway itself always passes `authorization` on, and reads `grpc-timeout`.
				return "", false
			}
		}),
		runtime.WithOutgoingHeaderMatcher(func(name string) (string, bool) { return "Token", name == "token" }),
	)
	for _, register := range services {
		if err := register(context.Background(), mux, connection); err != nil {
			log.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(name, listener.Addr())
	go func() { log.Fatal(http.Serve(listener, mux)) }()
}

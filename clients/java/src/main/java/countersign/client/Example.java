package countersign.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.ErrorInfo;
import countersign.v1.AuthServiceGrpc;
import countersign.v1.AuthServiceGrpc.AuthServiceBlockingStub;
import countersign.v1.LoginRequest;
import countersign.v1.LoginResponse;
import countersign.v1.LogoutRequest;
import countersign.v1.MeRequest;
import countersign.v1.RegisterRequest;
import countersign.v1.RevokeSessionRequest;
import countersign.v1.SessionServiceGrpc;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Does everything that a client of Countersign does, against a server with tokens that live for a few seconds:
 *
 * <pre>
 * ALLOW_REGISTRATION=true USERNAME_TOKEN_LIFETIME=3s countersign
 * clients/java/run 127.0.0.1:3008
 * </pre>
 *
 * <p>It succeeds only if every step had the expected result.
 */
public final class Example {
  public static void main(String[] args) throws Exception {
    String address = args.length > 0 ? args[0] : System.getenv("COUNTERSIGN_ADDR");
    check(address != null, "the server's address is given: HOST:PORT, or COUNTERSIGN_ADDR");
    ManagedChannel channel = Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
    try {
      run(channel);
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private static void run(ManagedChannel channel) throws Exception {
    var saved = new AtomicReference<>(""); // a real client uses a file or a keychain
    var tokens = new TokenInterceptor(saved.get(), saved::set);
    var auth = AuthServiceGrpc.newBlockingStub(channel).withInterceptors(tokens);
    var sessions = SessionServiceGrpc.newBlockingStub(channel).withInterceptors(tokens);

    // A bad registration is answered with every bad field at once.
    var bad = RegisterRequest.newBuilder().setUsername("jv").setPassword("1234").build();
    var refusal = refused(Status.Code.INVALID_ARGUMENT, "VALIDATION", () -> auth.register(bad));
    List<FieldViolation> violations =
        detail(refusal, BadRequest.getDefaultInstance()).getFieldViolationsList();
    violations.forEach(violation -> System.out.println(violation.getField() + " " + violation.getDescription()));
    check(
        violations.stream().map(FieldViolation::getField).toList().equals(List.of("username", "password")),
        "both fields are named");

    // Registering signs a username account in, too; this client logs in anyway.
    String username = "java-" + UUID.randomUUID().toString().substring(0, 8);
    auth.register(RegisterRequest.newBuilder().setUsername(username).setPassword("s3cur3pass").build());
    var wrong = LoginRequest.newBuilder().setUsername(username).setPassword("wrong-pass");
    refused(Status.Code.UNAUTHENTICATED, "INVALID_CREDENTIALS", () -> auth.login(wrong.build()));
    LoginResponse login =
        auth.login(LoginRequest.newBuilder().setUsername(username).setPassword("s3cur3pass").build());
    tokens.set(login.getToken());
    Duration lifetime = Duration.ofSeconds(login.getExpiresIn());
    check(
        lifetime.toSeconds() <= 30, "tokens live for seconds: start the server with USERNAME_TOKEN_LIFETIME=3s");
    System.out.println(username + " is logged in for " + lifetime.toSeconds() + " s");

    // The answer to a failed call has a fresh token, too. (Two tokens of the same second are equal.)
    Thread.sleep(1000);
    var unknown = RevokeSessionRequest.newBuilder().setSessionId("no-such-session").build();
    refused(Status.Code.NOT_FOUND, "NOT_FOUND", () -> sessions.revokeSession(unknown));
    check(!saved.get().equals(login.getToken()), "the failed call brought a fresh token");

    // A client that keeps calling stays signed in, with several calls at once: the first token expires, the session
    // goes on.
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      for (Future<Void> end :
          threads.invokeAll(Collections.nCopies(4, keepCalling(auth, username, lifetime.plusSeconds(1))))) {
        end.get();
      }
    } finally {
      threads.shutdown();
    }
    // If the call itself gives the first token, that one is sent. (The interceptor attached last runs first.)
    var first = new Metadata();
    first.put(Metadata.Key.of("token", Metadata.ASCII_STRING_MARSHALLER), login.getToken());
    var withFirst = auth.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(first));
    refused(Status.Code.UNAUTHENTICATED, "TOKEN_EXPIRED", () -> withFirst.me(MeRequest.getDefaultInstance()));
    auth.me(MeRequest.getDefaultInstance());
    System.out.println("the first token has expired, the session goes on");

    String last = tokens.token();
    auth.logout(LogoutRequest.getDefaultInstance());
    check(saved.get().isEmpty(), "no token is kept after the logout");

    // As if another process had saved this token. It is refused and forgotten, so the user must log in again.
    tokens.set(last);
    refused(Status.Code.UNAUTHENTICATED, "TOKEN_INVALID", () -> auth.me(MeRequest.getDefaultInstance()));
    check(saved.get().isEmpty(), "the refused token is no longer kept");
    System.out.println("logged out: the last token is refused");
  }

  private static Callable<Void> keepCalling(AuthServiceBlockingStub auth, String username, Duration time) {
    return () -> {
      for (long began = System.nanoTime(); System.nanoTime() - began < time.toNanos(); Thread.sleep(300)) {
        var account = auth.me(MeRequest.getDefaultInstance()).getAccount();
        check(account.getUsernameIdentity().getUsername().equals(username), "Me says who");
      }
      return null;
    };
  }

  /** Shows how to read errors: the code says what to do, and the reason says why. */
  private static StatusRuntimeException refused(Status.Code code, String reason, Callable<?> call) throws Exception {
    try {
      call.call();
    } catch (StatusRuntimeException refusal) {
      String got = detail(refusal, ErrorInfo.getDefaultInstance()).getReason();
      check(
          refusal.getStatus().getCode() == code && got.equals(reason),
          "expected " + code + " " + reason + ", got " + got + ": " + refusal.getStatus());
      System.out.println(code + " " + reason + ": " + refusal.getStatus().getDescription());
      return refusal;
    }
    throw new IllegalStateException("expected " + code + " " + reason + ", got an answer");
  }

  /** Finds the detail of a type in an error; or {@code none}. */
  @SuppressWarnings("unchecked")
  private static <T extends Message> T detail(StatusRuntimeException error, T none)
      throws InvalidProtocolBufferException {
    com.google.rpc.Status status = StatusProto.fromThrowable(error);
    for (Any packed : status == null ? List.<Any>of() : status.getDetailsList()) {
      if (packed.is(none.getClass())) {
        return (T) packed.unpack(none.getClass());
      }
    }
    return none;
  }

  /** Checks a condition. Unlike {@code assert}, it works without {@code -ea}. */
  private static void check(boolean held, String what) {
    if (!held) {
      throw new IllegalStateException("FAILED: " + what);
    }
  }
}

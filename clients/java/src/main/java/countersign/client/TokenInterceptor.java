package countersign.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Keeps a client of Countersign signed in. It sends the newest token with every call, and keeps the fresh token of
 * every answer. Copy this file; it needs no generated code.
 *
 * <pre>{@code
 * TokenInterceptor tokens = new TokenInterceptor(saved, this::save);
 * var auth = AuthServiceGrpc.newBlockingStub(channel).withInterceptors(tokens);
 * …
 * tokens.set(login.getToken()); // after Login, or the Register of a username
 * }</pre>
 *
 * <p>Use it only on channels to services that accept these tokens, because it sends the token to every service. A call
 * that has a credential of its own is left alone, because a call with two different credentials is refused. The
 * interceptor does not see CallCredentials, so do not combine it with them.
 *
 * <p>A TokenInterceptor stands for one signed-in user; threads may share it. Calls that overlap may store their tokens
 * in any order: each is valid until it expires, so the last one to arrive is kept. But an answer that belongs to an
 * earlier session must not replace the token of a newer one, or bring a token back after a logout. So each call
 * remembers the session that it began in, and {@link #set} begins a new session.
 */
public final class TokenInterceptor implements ClientInterceptor {
  private static final Metadata.Key<String> TOKEN = Metadata.Key.of("token", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private static final String LOGOUT = "countersign.v1.AuthService/Logout";
  /** The methods that are not sent the token, because they would ignore it. */
  private static final Set<String> OPEN =
      Set.of("countersign.v1.AuthService/Register", "countersign.v1.AuthService/Login");

  private final Consumer<String> changed;
  private String token;
  private long session;

  /**
   * Begins with the token saved by an earlier run, or "".
   *
   * @param changed is called with the new token whenever the token changes, to save it. It is called with "" when the
   *     user has logged out, or when the server refused the token (UNAUTHENTICATED) and the user must log in again. It
   *     is called with one change after another, in order, so it must not take long.
   */
  public TokenInterceptor(String saved, Consumer<String> changed) {
    this.token = saved;
    this.changed = changed;
  }

  /** The newest token, or "" if there is none. */
  public synchronized String token() {
    return token;
  }

  /** Begins a new session with its first token, or ends the present one with "". */
  public synchronized void set(String token) {
    session++;
    store(token);
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    String name = method.getFullMethodName();
    ClientCall<Q, A> call = next.newCall(method, options);
    if (OPEN.contains(name) || name.startsWith("grpc.")) { // health and reflection
      return call;
    }
    return new SimpleForwardingClientCall<>(call) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        if (headers.containsKey(TOKEN) || headers.containsKey(AUTHORIZATION)) {
          super.start(listener, headers);
        } else {
          super.start(attach(name, listener, headers), headers);
        }
      }
    };
  }

  private synchronized <A> ClientCall.Listener<A> attach(
      String method, ClientCall.Listener<A> listener, Metadata headers) {
    String sent = token;
    long begun = session;
    if (!sent.isEmpty()) {
      headers.put(TOKEN, sent);
    }
    return new SimpleForwardingClientCallListener<>(listener) {
      @Override
      public void onHeaders(Metadata headers) {
        fresh(begun, headers.get(TOKEN));
        super.onHeaders(headers);
      }

      @Override
      public void onClose(Status status, Metadata trailers) {
        // A failed call has its metadata in the trailers: its answer has headers only, and gRPC calls those trailers.
        fresh(begun, trailers.get(TOKEN));
        if (status.isOk() && method.equals(LOGOUT)) {
          over(begun, null);
        } else if (status.getCode() == Status.Code.UNAUTHENTICATED) {
          // Only if no other call has brought a fresher token meanwhile, which may be valid.
          over(begun, sent);
        }
        super.onClose(status, trailers);
      }
    };
  }

  private synchronized void fresh(long begun, String fresh) {
    if (begun == session && fresh != null) {
      store(fresh);
    }
  }

  private synchronized void over(long begun, String sent) {
    if (begun == session && (sent == null || sent.equals(token))) {
      set("");
    }
  }

  /** Must be called with the lock held, so that {@code changed} is called in the order of the changes. */
  private void store(String token) {
    if (!token.equals(this.token)) {
      this.token = token;
      changed.accept(token);
    }
  }
}

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
 * Keeps a client of Countersign signed in: sends the newest token with every call and keeps the fresh one that every
 * answer brings. It is this one file, to be copied; it needs no generated code.
 *
 * <pre>{@code
 * TokenInterceptor tokens = new TokenInterceptor(saved, this::save);
 * var auth = AuthServiceGrpc.newBlockingStub(channel).withInterceptors(tokens);
 * …
 * tokens.set(login.getToken()); // after Login, or the Register of a username
 * }</pre>
 *
 * <p>Its place is on channels to services that accept these tokens, and on no other: it would send the token there, too.
 * A call that brings a credential of its own is left alone, because two different ones are refused. (CallCredentials are
 * not seen here: do not combine them.)
 *
 * <p>A TokenInterceptor is one signed-in user; threads may share it. Calls that overlap may store their tokens in any
 * order: each is good until it expires, so the last to arrive is kept. What must not happen is that an answer from a
 * session that is over puts its token in the place of a newer session's, or of none: each call remembers the session
 * that it began in, and {@link #set} begins another.
 */
public final class TokenInterceptor implements ClientInterceptor {
  private static final Metadata.Key<String> TOKEN = Metadata.Key.of("token", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private static final String LOGOUT = "countersign.v1.AuthService/Logout";
  /** What reads no token. It would ignore one, but nothing should be sent it in vain. */
  private static final Set<String> OPEN =
      Set.of("countersign.v1.AuthService/Register", "countersign.v1.AuthService/Login");

  private final Consumer<String> changed;
  private String token;
  private long session;

  /**
   * Begins with the token saved by an earlier run, or "".
   *
   * @param changed is told the new token whenever it changes, to be saved; or "" when there is none any more: the user
   *     logged out, or the server refused it (UNAUTHENTICATED) and the user must log in again. It is told one change at
   *     a time, in their order, so it must not take long.
   */
  public TokenInterceptor(String saved, Consumer<String> changed) {
    this.token = saved;
    this.changed = changed;
  }

  /** The newest token, "" when there is none. */
  public synchronized String token() {
    return token;
  }

  /** Begins another session with its first token, or ends the present one with "". */
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
        // A failure is answered by headers alone, which gRPC calls trailers.
        fresh(begun, trailers.get(TOKEN));
        if (status.isOk() && method.equals(LOGOUT)) {
          over(begun, null);
        } else if (status.getCode() == Status.Code.UNAUTHENTICATED) {
          // Only if nothing fresher came meanwhile: that one may be good when this one had expired.
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

  /** With the lock held: changes are told in the order in which they are made. */
  private void store(String token) {
    if (!token.equals(this.token)) {
      this.token = token;
      changed.accept(token);
    }
  }
}

package countersign.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.Empty;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tests events before an answer arrives, which the example cannot arrange with a real server. */
class TokenInterceptorTest {
  private static final Metadata.Key<String> TOKEN = Metadata.Key.of("token", Metadata.ASCII_STRING_MARSHALLER);

  private final List<String> told = new ArrayList<>(List.of("1"));
  private final TokenInterceptor tokens = new TokenInterceptor("1", told::add);
  private Runnable meanwhile = () -> {}; // before the answer arrives

  @Test
  void theFreshTokenOfEveryAnswerIsKept() {
    assertEquals(List.of("1"), call("Me", Status.OK, "2"));
    assertEquals(List.of("2"), call("Me", Status.NOT_FOUND, "3"));
    assertEquals(List.of("3"), call("Me", Status.UNAVAILABLE, null));
    assertEquals(List.of("1", "2", "3"), told);
  }

  @Test
  void aRefusedTokenIsForgotten() {
    call("Me", Status.UNAUTHENTICATED, null);
    assertKept("");
  }

  @Test
  void onlyALogoutThatSucceedsForgets() {
    call("Logout", Status.UNAVAILABLE, "2");
    assertKept("2");
    call("Logout", Status.OK, null);
    assertKept("");
  }

  @Test
  void aLoginIsSentNone() {
    assertEquals(List.of(), call("Login", Status.UNAUTHENTICATED, null));
    assertKept("1");
  }

  @Test
  void aCredentialOfTheCallsOwnGoesAlone() {
    assertEquals(List.of("own"), call("Me", Status.OK, "2", "token"));
    assertEquals(List.of(), call("Me", Status.OK, "2", "authorization"));
    assertKept("1");
  }

  @Test
  void anAnswerOfASessionThatIsOverIsDropped() {
    for (String now : List.of("", "new")) {
      meanwhile = () -> tokens.set(now);
      tokens.set("1");
      call("Me", Status.OK, "2");
      assertKept(now);
      tokens.set("1");
      call("Me", Status.UNAUTHENTICATED, null);
      assertKept(now);
      tokens.set("1");
      call("Logout", Status.OK, null);
      assertKept(now);
    }
  }

  @Test
  void theRefusalOfAnOlderTokenEndsNothing() {
    meanwhile =
        () -> {
          meanwhile = () -> {};
          call("Me", Status.OK, "2");
        };
    call("Me", Status.UNAUTHENTICATED, null);
    assertKept("2");
  }

  private void assertKept(String token) {
    assertEquals(token, tokens.token());
    assertEquals(token, told.get(told.size() - 1));
  }

  private List<String> call(String method, Status status, String fresh) {
    return call(method, status, fresh, null);
  }

  /** Makes one call, with or without a credential of its own, and returns the tokens that it sent. */
  private List<String> call(String method, Status status, String fresh, String own) {
    var descriptor =
        MethodDescriptor.<Empty, Empty>newBuilder()
            .setType(MethodDescriptor.MethodType.UNARY)
            .setFullMethodName("countersign.v1.AuthService/" + method)
            .setRequestMarshaller(ProtoUtils.marshaller(Empty.getDefaultInstance()))
            .setResponseMarshaller(ProtoUtils.marshaller(Empty.getDefaultInstance()))
            .build();
    var answer = new Metadata();
    if (fresh != null) {
      answer.put(TOKEN, fresh);
    }
    var headers = new Metadata();
    if (own != null) {
      headers.put(Metadata.Key.of(own, Metadata.ASCII_STRING_MARSHALLER), "own");
    }
    var sent = new ArrayList<String>();
    tokens
        .interceptCall(descriptor, CallOptions.DEFAULT, new Answering(status, answer, sent))
        .start(new ClientCall.Listener<>() {}, headers);
    return sent;
  }

  /** A channel that gives every call the same answer. */
  private final class Answering extends Channel {
    private final Status status;
    private final Metadata answer;
    private final List<String> sent;

    Answering(Status status, Metadata answer, List<String> sent) {
      this.status = status;
      this.answer = answer;
      this.sent = sent;
    }

    @Override
    public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
      return new ClientCall<>() {
        @Override
        public void start(Listener<A> listener, Metadata headers) {
          var tokens = headers.getAll(TOKEN);
          if (tokens != null) {
            tokens.forEach(sent::add);
          }
          meanwhile.run();
          // As in grpc, all metadata of a failed call are trailers.
          if (status.isOk()) {
            listener.onHeaders(answer);
            listener.onClose(status, new Metadata());
          } else {
            listener.onClose(status, answer);
          }
        }

        @Override
        public void request(int messages) {}

        @Override
        public void cancel(String message, Throwable cause) {}

        @Override
        public void halfClose() {}

        @Override
        public void sendMessage(Q message) {}
      };
    }

    @Override
    public String authority() {
      return "";
    }
  }
}

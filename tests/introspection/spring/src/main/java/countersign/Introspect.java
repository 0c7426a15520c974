package countersign;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import org.springframework.security.oauth2.core.OAuth2AuthenticatedPrincipal;
import org.springframework.security.oauth2.server.resource.introspection.BadOpaqueTokenException;
import org.springframework.security.oauth2.server.resource.introspection.OAuth2IntrospectionException;
import org.springframework.security.oauth2.server.resource.introspection.SpringOpaqueTokenIntrospector;

/** Asks the server at COUNTERSIGN_URL about a token, with the credential INTROSPECTION_CREDENTIAL. */
public final class Introspect {
    private static final String BASE = System.getenv("COUNTERSIGN_URL");
    private static final String CREDENTIAL = System.getenv("INTROSPECTION_CREDENTIAL");
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private Introspect() {}

    private static HttpResponse<String> post(String path, String token, String type, String body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(BASE + path)).header("content-type", type);
        if (!token.isEmpty()) {
            request.header("token", token);
        }
        return HTTP.send(request.POST(HttpRequest.BodyPublishers.ofString(body)).build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private static SpringOpaqueTokenIntrospector introspector(String credential) {
        return SpringOpaqueTokenIntrospector.withIntrospectionUri(BASE + "/oauth2/introspect")
                .clientId("app").clientSecret(credential).build();
    }

    private static void require(boolean holds, Object found) {
        if (!holds) {
            throw new AssertionError(found);
        }
    }

    public static void main(String[] arguments) throws Exception {
        String account = "{\"username\":\"spring\",\"password\":\"s3cur3pass\"}";
        String token = post("/api/auth/register", "", "application/json", account).body()
                .replaceAll(".*\"token\":\"([^\"]*)\".*", "$1");
        OAuth2AuthenticatedPrincipal principal = introspector(CREDENTIAL).introspect(token);
        require("spring".equals(principal.getAttribute("username")), principal.getAttributes());
        require(principal.getName().equals(principal.getAttribute("sub")), principal.getName());
        Instant issued = principal.getAttribute("iat");
        Instant expires = principal.getAttribute("exp");
        require(Duration.between(issued, expires).equals(Duration.ofHours(1)), expires);

        require(post("/v1/sessions:logout", token, "application/json", "{}").statusCode() == 200, "logout");
        try {
            introspector(CREDENTIAL).introspect(token);
            throw new AssertionError("a token was active after its session had ended");
        } catch (BadOpaqueTokenException inactive) {
            System.out.println("   ok: Spring Security, active and inactive");
        }
        try {
            introspector(CREDENTIAL + "x").introspect(token);
            throw new AssertionError("a wrong credential was accepted");
        } catch (BadOpaqueTokenException wrong) {
            throw new AssertionError("a wrong credential looks like a bad token", wrong);
        } catch (OAuth2IntrospectionException refused) {
            System.out.println("   ok: Spring Security, a wrong credential");
        }
    }
}

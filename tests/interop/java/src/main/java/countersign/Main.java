package countersign;

import com.nimbusds.jose.util.JSONObjectUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.BadJwtException;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

/** Has Spring Security verify the tokens of the table in the file TABLE. */
public final class Main {
    private Main() {}

    // Any other failure says nothing about the token.
    private static boolean isAccepted(JwtDecoder decoder, String token) {
        try {
            return decoder.decode(token).getSubject() != null;
        } catch (BadJwtException refused) {
            return false;
        }
    }

    private static void requireUnknown(String issuer) {
        try {
            NimbusJwtDecoder.withIssuerLocation(issuer).build();
        } catch (IllegalArgumentException unknown) {
            return;
        }
        throw new AssertionError("Spring Security knows the algorithm of " + issuer + ", but docs/keys.md denies it");
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> table = JSONObjectUtils.parse(Files.readString(Path.of(System.getenv("TABLE"))));
        Map<String, Object>[] cases = JSONObjectUtils.getJSONObjectArray(table, "cases");
        String algorithm = JSONObjectUtils.getString(table, "algorithm");
        if (SignatureAlgorithm.from(algorithm) == null) {
            requireUnknown(JSONObjectUtils.getString(table, "issuer"));
            System.out.println("   as documented: Spring Security knows no " + algorithm);
            return;
        }
        JwtDecoder decoder = new Verify().jwtDecoder();
        List<Object> wrong = new ArrayList<>();
        for (Map<String, Object> tried : cases) {
            if (isAccepted(decoder, (String) tried.get("token")) != (Boolean) tried.get("accept")) {
                wrong.add(tried.get("name"));
            }
        }
        if (!wrong.isEmpty()) {
            throw new AssertionError("Spring Security, " + algorithm + ": wrong about the token " + wrong);
        }
        System.out.printf("   ok: Spring Security, %s, %d tokens%n", algorithm, cases.length);
    }
}

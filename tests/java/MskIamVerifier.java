import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.auth.SaslExtensionsCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerTokenCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * The broker's side of MSK IAM over OAUTHBEARER, for tests: verifies a token and refuses it with a reason.
 *
 * <p>A token is a URL that is presigned with Signature Version 4, in base64url. Nothing of AWS is used here: the signature
 * is computed again, after the documentation of "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
 *
 * <p>One class serves as the server callback handler and as the login callback handler of a listener. The options of its
 * JAAS entry are {@code accessKeys}, a file with one {@code PRINCIPAL ID SECRET [SESSION_TOKEN]} per line that is read again
 * for each token; {@code region}; and {@code clockAheadSeconds}, by which the verifier's clock is ahead of the machine's.
 */
public final class MskIamVerifier implements AuthenticateCallbackHandler {
    private static final String ALGORITHM = "AWS4-HMAC-SHA256";
    private static final String SERVICE = "kafka-cluster";
    private static final long LONGEST_VALIDITY_SECONDS = 900;
    /** AWS accepts a signer's clock that is up to five minutes ahead of its own. */
    private static final Duration CLOCK_SKEW = Duration.ofMinutes(5);
    private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'");
    private static final Set<String> PARAMETERS = Set.of("Action", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
            "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders", "User-Agent");

    private Path accessKeys;
    private String region;
    private Duration clockAhead;

    /** Why a token is refused. It must not hold a quotation mark: Kafka puts it into JSON as it is. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String why) {
            super(why.replaceAll("[^ -~]|[\"\\\\]", "?"), null, false, false);
        }
    }

    private record Key(String principal, String id, String secret, String sessionToken) {}

    private record Token(String value, String principalName, Long startTimeMs, long lifetimeMs) implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }
    }

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
        Map<String, ?> options = entries.get(0).getOptions();
        accessKeys = Path.of((String) options.get("accessKeys"));
        region = (String) options.get("region");
        Object ahead = options.get("clockAheadSeconds");
        clockAhead = Duration.ofSeconds(ahead == null ? 0 : Long.parseLong((String) ahead));
    }

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerValidatorCallback validation) {
                try {
                    validation.token(verify(validation.tokenValue()));
                } catch (Refused refused) {
                    System.out.println("MSK IAM refuses a token: " + refused.getMessage());
                    validation.error("invalid_token: " + refused.getMessage(), null, null);
                }
            } else if (!(callback instanceof OAuthBearerExtensionsValidatorCallback) // MSK knows no extensions: they are ignored
                    && !(callback instanceof OAuthBearerTokenCallback) // the broker itself signs in nowhere
                    && !(callback instanceof SaslExtensionsCallback)) {
                throw new UnsupportedCallbackException(callback);
            }
        }
    }

    @Override
    public void close() {}

    private Token verify(String token) throws Refused, IOException {
        URI url = url(token);
        check("scheme", url.getScheme(), "https");
        check("host", url.getRawAuthority(), "kafka." + region + ".amazonaws.com");
        if (!url.getRawPath().isEmpty()) { // AWS's Java client leaves the path out, its Python signer does not: both sign "/"
            check("path", url.getRawPath(), "/");
        }
        check("fragment", String.valueOf(url.getRawFragment()), "null");
        SortedMap<String, String> query = query(url.getRawQuery());
        check("Action", query.get("Action"), "kafka-cluster:Connect");
        check("X-Amz-Algorithm", query.get("X-Amz-Algorithm"), ALGORITHM);
        check("X-Amz-SignedHeaders", query.get("X-Amz-SignedHeaders"), "host");
        if (query.getOrDefault("User-Agent", "").isEmpty()) {
            throw new Refused("there is no User-Agent, which every signer of AWS appends");
        }
        String date = query.getOrDefault("X-Amz-Date", "");
        String[] credential = query.getOrDefault("X-Amz-Credential", "").split("/", -1);
        if (credential.length != 5) {
            throw new Refused("X-Amz-Credential has " + credential.length + " parts, not 5");
        }
        check("day of X-Amz-Credential", credential[1], date.split("T", 2)[0]);
        check("region of X-Amz-Credential", credential[2], region);
        check("service of X-Amz-Credential", credential[3], SERVICE);
        check("end of X-Amz-Credential", credential[4], "aws4_request");
        Key key = key(credential[0]);
        if (!key.sessionToken.equals(query.getOrDefault("X-Amz-Security-Token", ""))) {
            throw new Refused("the session token is not the one of access key " + key.id);
        }
        String expected = signature(query, url.getRawAuthority(), key, date);
        if (!MessageDigest.isEqual(expected.getBytes(UTF_8), query.getOrDefault("X-Amz-Signature", "").getBytes(UTF_8))) {
            throw new Refused("the signature is wrong");
        }
        return valid(token, key, date, query.getOrDefault("X-Amz-Expires", ""));
    }

    /** The token, with the rest of its validity by the verifier's clock, unless it is too old or of the future. */
    private Token valid(String token, Key key, String date, String expires) throws Refused {
        Instant now = Instant.now().plus(clockAhead);
        Instant from;
        long seconds;
        try {
            from = LocalDateTime.parse(date, DATE).toInstant(ZoneOffset.UTC);
            seconds = Long.parseLong(expires);
        } catch (DateTimeException | NumberFormatException malformed) {
            throw new Refused("X-Amz-Date or X-Amz-Expires is malformed: " + date + ", " + expires);
        }
        if (seconds < 1 || seconds > LONGEST_VALIDITY_SECONDS) {
            throw new Refused("X-Amz-Expires is " + seconds + ", not 1 to " + LONGEST_VALIDITY_SECONDS);
        }
        Instant until = from.plusSeconds(seconds);
        if (from.isAfter(now.plus(CLOCK_SKEW))) {
            throw new Refused("the token is of the future: X-Amz-Date is " + date);
        }
        if (!until.isAfter(now)) {
            throw new Refused("the token expired " + Duration.between(until, now).toSeconds() + " s ago");
        }
        return new Token(token, key.principal, from.toEpochMilli(), until.minus(clockAhead).toEpochMilli());
    }

    private static URI url(String token) throws Refused {
        if (token.indexOf('=') >= 0) {
            throw new Refused("the base64url is padded");
        }
        try {
            byte[] bytes = Base64.getUrlDecoder().decode(token);
            check("base64url", Base64.getUrlEncoder().withoutPadding().encodeToString(bytes), token);
            return new URI(new String(bytes, UTF_8));
        } catch (IllegalArgumentException malformed) {
            throw new Refused("the token is not base64url: " + malformed.getMessage());
        } catch (URISyntaxException malformed) {
            throw new Refused("the token is not a URL: " + malformed.getReason());
        }
    }

    /** The decoded parameters, each of which is known and occurs once. In a presigned URL a plus is a plus. */
    private static SortedMap<String, String> query(String raw) throws Refused {
        SortedMap<String, String> query = new TreeMap<>();
        for (String pair : String.valueOf(raw).split("&", -1)) {
            String[] parts = pair.split("=", 2);
            String name = URLDecoder.decode(parts[0].replace("+", "%2B"), UTF_8);
            if (!PARAMETERS.contains(name) || parts.length == 1) {
                throw new Refused("unknown parameter " + pair);
            }
            if (query.put(name, URLDecoder.decode(parts[1].replace("+", "%2B"), UTF_8)) != null) {
                throw new Refused(name + " occurs twice");
            }
        }
        return query;
    }

    private Key key(String id) throws Refused, IOException {
        for (String line : Files.readAllLines(accessKeys)) {
            String[] parts = line.trim().split("\\s+");
            if (parts.length >= 3 && parts[1].equals(id)) {
                return new Key(parts[0], id, parts[2], parts.length > 3 ? parts[3] : "");
            }
        }
        throw new Refused("access key " + id + " is unknown");
    }

    private static String signature(SortedMap<String, String> query, String host, Key key, String date) {
        String canonicalQuery = query.entrySet().stream()
                .filter(entry -> !Set.of("X-Amz-Signature", "User-Agent").contains(entry.getKey()))
                .map(entry -> encode(entry.getKey()) + "=" + encode(entry.getValue()))
                .collect(Collectors.joining("&"));
        String request = String.join("\n", "GET", "/", canonicalQuery, "host:" + host, "", "host", sha256(""));
        String[] scope = query.get("X-Amz-Credential").split("/", 2);
        String toSign = String.join("\n", ALGORITHM, date, scope[1], sha256(request));
        byte[] signingKey = ("AWS4" + key.secret).getBytes(UTF_8);
        for (String part : scope[1].split("/")) {
            signingKey = hmac(signingKey, part);
        }
        return HexFormat.of().formatHex(hmac(signingKey, toSign));
    }

    /** Percent-encoding of RFC 3986, as Signature Version 4 wants it. */
    private static String encode(String text) {
        return URLEncoder.encode(text, UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8)));
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static byte[] hmac(byte[] key, String text) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac.doFinal(text.getBytes(UTF_8));
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static void check(String what, String found, String expected) throws Refused {
        if (!expected.equals(found)) {
            throw new Refused("the " + what + " is " + found + ", not " + expected);
        }
    }

    /**
     * Verifies the tokens of its standard input, one per line, without a broker: {@code MskIamVerifier ACCESS_KEYS REGION
     * CLOCK_AHEAD_SECONDS}. Prints a line for each: {@code accepted PRINCIPAL SECONDS_LEFT}, or {@code refused REASON}.
     */
    public static void main(String[] arguments) throws IOException {
        MskIamVerifier verifier = new MskIamVerifier();
        verifier.accessKeys = Path.of(arguments[0]);
        verifier.region = arguments[1];
        verifier.clockAhead = Duration.ofSeconds(Long.parseLong(arguments[2]));
        for (String line : new BufferedReader(new InputStreamReader(System.in, UTF_8)).lines().toList()) {
            try {
                Token token = verifier.verify(line);
                long left = Duration.between(Instant.now(), Instant.ofEpochMilli(token.lifetimeMs)).toSeconds();
                System.out.println("accepted " + token.principalName + " " + left);
            } catch (Refused refused) {
                System.out.println("refused " + refused.getMessage());
            }
        }
    }
}

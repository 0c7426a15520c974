//! A new secret in the forms that authenticator apps take: Base32, the `otpauth` URI that Google Authenticator's "Key
//! URI Format" describes, and its QR code.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qrcode::QrCode;
use qrcode::render::svg;
use qrcode::types::QrError;

use crate::accounts::NewTotp;
use crate::pb;

/// What is encoded in a URI: everything but the unreserved characters (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The width of the picture in pixels, at least.
const WIDTH: u32 = 240;

/// The secret as its owner sees it.
pub(super) fn shown(new: &NewTotp) -> Result<pb::BeginTotpResponse, QrError> {
    let uri = uri(new);
    let picture = QrCode::new(&uri)?.render::<svg::Color<'_>>().min_dimensions(WIDTH, WIDTH).build();
    Ok(pb::BeginTotpResponse { secret: new.secret.to_string(), otpauth_uri: uri, qr_svg: picture })
}

/// The parameters that are left out have the values of our codes: SHA-1, six digits, 30 seconds.
///
/// The name of the service has no colon, as an IPv6 address has: apps take what follows it for a part of the account
/// (`findings/otpauth-an-issuer-with-a-colon-is-cut.sh`).
fn uri(NewTotp { secret, handle, service }: &NewTotp) -> String {
    let service = service.replace(':', " ");
    let [service, handle] = [&service, handle].map(|text| utf8_percent_encode(text, RESERVED));
    format!("otpauth://totp/{service}:{handle}?secret={}&issuer={service}", **secret)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::shown;
    use crate::accounts::NewTotp;

    #[test]
    fn the_uri_names_service_and_account_and_the_picture_has_no_script_and_no_reference() {
        let secret = Zeroizing::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned());
        for (handle, encoded) in [("ada@example.com", "ada%40example.com"), ("工 藤?", "%E5%B7%A5%20%E8%97%A4%3F")] {
            let new = NewTotp { secret: secret.clone(), handle: handle.to_owned(), service: "auth.test".to_owned() };
            let shown = shown(&new).unwrap();
            let query = "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=auth.test";
            assert_eq!(shown.otpauth_uri, format!("otpauth://totp/auth.test:{encoded}?{query}"));
            let svg = shown.qr_svg;
            assert!(svg.contains("<svg ") && svg.len() < 40_000, "{}", svg.len());
            assert!(!svg.contains("<script") && !svg.contains("href"), "{svg}");
        }
    }

    #[test]
    fn the_name_of_the_service_has_no_colon() {
        let (secret, handle) = (Zeroizing::new("A".repeat(32)), "ada".to_owned());
        let shown = shown(&NewTotp { secret, handle, service: "[2001:db8::1]".to_owned() }).unwrap();
        let named = "%5B2001%20db8%20%201%5D";
        let prefix = format!("otpauth://totp/{named}:ada?");
        assert!(shown.otpauth_uri.starts_with(&prefix), "{}", shown.otpauth_uri);
        assert!(shown.otpauth_uri.ends_with(&format!("&issuer={named}")), "{}", shown.otpauth_uri);
    }

    #[test]
    fn the_longest_name_fits() {
        let secret = Zeroizing::new("A".repeat(32));
        let new = NewTotp { secret, handle: "ä".repeat(254), service: "a".repeat(253) };
        assert!(shown(&new).is_ok());
    }
}

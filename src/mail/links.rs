//! The links in mail: `PUBLIC_URL`, and below it the page that redeems a ticket. The ticket is in the fragment, which
//! browsers do not send: it appears in no log of a server and in no `Referer`.

use std::net::SocketAddr;

use url::Url;

use crate::domain::{Ticket, TicketPurpose};

/// The URL by which people reach this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// The URL without a slash at its end.
    text: String,
    host: String,
}

impl PublicUrl {
    /// Parses `https://auth.example.com`, optionally with a port and a path. The error says what to change.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be the address by which people reach this service, as in https://auth.example.com";
        let url = Url::parse(text.trim()).map_err(|_| FORM)?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !matches!(url.scheme(), "http" | "https") || !plain || url.password().is_some() {
            return Err(FORM);
        }
        let host = url.host_str().ok_or(FORM)?.to_owned();
        Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), host })
    }

    /// The URL of a local server that listens on `address`, for trials on one machine.
    pub fn of(address: SocketAddr, tls: bool) -> Self {
        let scheme = if tls { "https" } else { "http" };
        let host = if address.ip().is_unspecified() {
            "localhost".to_owned()
        } else if address.is_ipv6() {
            format!("[{}]", address.ip())
        } else {
            address.ip().to_string()
        };
        Self { text: format!("{scheme}://{host}:{}", address.port()), host }
    }

    /// The host without the port, which is the name of this service in mail.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether links are sent without encryption.
    pub fn is_clear(&self) -> bool {
        self.text.starts_with("http://")
    }

    /// The URL as text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The link to the page that redeems a ticket.
    pub(super) fn link(&self, purpose: TicketPurpose, ticket: &Ticket) -> String {
        let path = match purpose {
            TicketPurpose::VerifyEmail | TicketPurpose::ChangeEmail => "/auth/verify",
            TicketPurpose::ResetPassword => "/auth/password/reset",
            TicketPurpose::Invitation => "/auth/invitations/accept",
        };
        format!("{}{path}#token={}", self.text, ticket.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::PublicUrl;
    use crate::domain::{Ticket, TicketPurpose};

    #[test]
    fn a_link_leads_to_the_page_that_redeems_its_ticket() {
        let ticket = Ticket::parse("t0k3n".to_owned()).unwrap();
        for (text, purpose, link) in [
            ("https://a.example.com", TicketPurpose::VerifyEmail, "https://a.example.com/auth/verify#token=t0k3n"),
            ("https://a.b/", TicketPurpose::ChangeEmail, "https://a.b/auth/verify#token=t0k3n"),
            (" http://A.b:81/x/ ", TicketPurpose::ResetPassword, "http://a.b:81/x/auth/password/reset#token=t0k3n"),
            ("https://[::1]:8", TicketPurpose::Invitation, "https://[::1]:8/auth/invitations/accept#token=t0k3n"),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().link(purpose, &ticket), link);
        }
        for text in ["", "a.b", "ftp://a.b", "https://", "https://a.b?c", "https://a.b#c", "https://u:p@a.b", "file:/x"]
        {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_one_links_lead_to_this_machine() {
        for (address, tls, url, host) in [
            ("127.0.0.1:3008", false, "http://127.0.0.1:3008", "127.0.0.1"),
            ("0.0.0.0:443", true, "https://localhost:443", "localhost"),
            ("[::1]:1", false, "http://[::1]:1", "[::1]"),
        ] {
            let public = PublicUrl::of(address.parse().unwrap(), tls);
            assert_eq!((public.as_str(), public.host(), public.is_clear()), (url, host, !tls));
            assert_eq!(PublicUrl::parse(url).unwrap().host(), host);
        }
    }
}

//! The claims of a token and their form as JSON. Both directions are written by hand: every authenticated call reads a
//! token and writes one, and reading must refuse duplicate names, which serde's derived code lets pass.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use uuid::Uuid;

/// The claims of a token: those that the JSON APIs document, and those that a refresh needs. Times are whole seconds
/// since the Unix epoch (RFC 7519 section 2, NumericDate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The account's id (RFC 7519 section 4.1.2).
    pub sub: Uuid,
    /// The session's id. All tokens of one sign-in share it.
    pub sid: Uuid,
    /// The issuer (RFC 7519 section 4.1.1), which tokens of asymmetric keys have.
    pub iss: Option<String>,
    /// The services that the token is meant for (RFC 7519 section 4.1.3); none if it has no such claim.
    pub aud: Vec<String>,
    /// The account's epoch at sign-in. A revocation of all sessions of an account names the first epoch that survives
    /// it.
    pub epoch: i64,
    /// The time of the sign-in (OpenID Connect Core section 2). A refresh never changes it.
    pub auth_time: i64,
    /// The time when this token was minted (RFC 7519 section 4.1.6).
    pub iat: i64,
    /// The time when this token expires (RFC 7519 section 4.1.4): it is refused from this second on.
    pub exp: i64,
    /// The time when the session ends at the latest, as decided at sign-in. No refresh mints a token that lives longer.
    pub session_exp: i64,
    /// The time before which the token is not valid (RFC 7519 section 4.1.5). Countersign never sends it, and honours
    /// it.
    pub nbf: Option<i64>,
    /// The names and the role of the account.
    pub profile: Profile,
}

/// The claims that describe an account: `{username}` for one kind of account, `{email, firm_id, role}` for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// An account that signs in with an email address.
    Email {
        /// The address in canonical form: trimmed, in lower case.
        email: String,
        /// The firm that the account belongs to.
        firm_id: Uuid,
        /// One of `admin`, `user` and `viewer`. It may have changed since the token was minted.
        role: String,
    },
    /// An account that signs in with a username.
    Username {
        /// The username in canonical form: trimmed, in lower case.
        username: String,
    },
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("sub", &self.sub)?;
        map.serialize_entry("sid", &self.sid)?;
        if let Some(iss) = &self.iss {
            map.serialize_entry("iss", iss)?;
        }
        match self.aud.as_slice() {
            [] => {}
            [one] => map.serialize_entry("aud", one)?,
            several => map.serialize_entry("aud", several)?,
        }
        for (name, number) in [
            ("epoch", self.epoch),
            ("auth_time", self.auth_time),
            ("iat", self.iat),
            ("exp", self.exp),
            ("session_exp", self.session_exp),
        ] {
            map.serialize_entry(name, &number)?;
        }
        if let Some(nbf) = &self.nbf {
            map.serialize_entry("nbf", nbf)?;
        }
        match &self.profile {
            Profile::Email { email, firm_id, role } => {
                map.serialize_entry("email", email)?;
                map.serialize_entry("firm_id", firm_id)?;
                map.serialize_entry("role", role)?;
            }
            Profile::Username { username } => map.serialize_entry("username", username)?,
        }
        map.end()
    }
}

/// Refuses an object with duplicate names. RFC 7515 section 4 lets a reader either reject them or use the last one, and
/// two readers that choose differently can be played against each other. Unknown claims are ignored.
impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let (mut sub, mut sid, mut firm_id) = (None, None, None);
        let (mut epoch, mut auth_time, mut iat, mut exp, mut session_exp, mut nbf) =
            (None, None, None, None, None, None);
        let (mut iss, mut aud) = (None, None);
        let (mut email, mut role, mut username) = (None, None, None);
        let mut others = HashSet::new();
        while let Some(ClaimName(name)) = map.next_key()? {
            match &*name {
                "sub" => once(&mut sub, &mut map)?,
                "sid" => once(&mut sid, &mut map)?,
                "iss" => once(&mut iss, &mut map)?,
                "aud" => once(&mut aud, &mut map)?,
                "epoch" => once(&mut epoch, &mut map)?,
                "auth_time" => once(&mut auth_time, &mut map)?,
                "iat" => once(&mut iat, &mut map)?,
                "exp" => once(&mut exp, &mut map)?,
                "session_exp" => once(&mut session_exp, &mut map)?,
                "nbf" => once::<Option<i64>, A>(&mut nbf, &mut map)?,
                "email" => once(&mut email, &mut map)?,
                "firm_id" => once(&mut firm_id, &mut map)?,
                "role" => once(&mut role, &mut map)?,
                "username" => once(&mut username, &mut map)?,
                _ if others.contains(&*name) => return Err(duplicate()),
                _ => {
                    others.insert(name.into_owned());
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let profile = match (email, firm_id, role, username) {
            (Some(email), Some(firm_id), Some(role), _) => Profile::Email { email, firm_id, role },
            (_, _, _, Some(username)) => Profile::Username { username },
            _ => return Err(A::Error::custom("the claims describe no account")),
        };
        Ok(Claims {
            sub: required(sub)?,
            sid: required(sid)?,
            iss,
            aud: aud.map_or_else(Vec::new, |Audience(names)| names),
            epoch: required(epoch)?,
            auth_time: required(auth_time)?,
            iat: required(iat)?,
            exp: required(exp)?,
            session_exp: required(session_exp)?,
            nbf: nbf.flatten(),
            profile,
        })
    }
}

fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(claim: &mut Option<T>, map: &mut A) -> Result<(), A::Error> {
    if claim.is_some() {
        return Err(duplicate());
    }
    *claim = Some(map.next_value()?);
    Ok(())
}

fn duplicate<E: serde::de::Error>() -> E {
    E::custom("a name occurs twice")
}

fn required<T, E: serde::de::Error>(claim: Option<T>) -> Result<T, E> {
    claim.ok_or_else(|| E::custom("a claim is missing"))
}

/// The claim `aud`: a string, or a list of strings (RFC 7519 section 4.1.3).
struct Audience(Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum OneOrMore {
            One(String),
            More(Vec<String>),
        }

        Ok(Self(match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(name) => vec![name],
            OneOrMore::More(names) => names,
        }))
    }
}

/// The name of a claim: borrowed from the text, or owned if the text escapes some of its characters.
struct ClaimName<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for ClaimName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ClaimNameVisitor;

        impl<'de> Visitor<'de> for ClaimNameVisitor {
            type Value = ClaimName<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a claim")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(ClaimName(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(ClaimName(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(ClaimNameVisitor)
    }
}

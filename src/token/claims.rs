//! What a token says, and its form as JSON: written by hand, both ways, because every authenticated call reads one and
//! writes one, and because reading must refuse what serde's derived code lets pass.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use uuid::Uuid;

/// The claims of a token, as both contracts document them and with what sliding needs. Times are seconds since the
/// Unix epoch (RFC 7519 section 2, NumericDate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose token it is: the account's id.
    pub sub: Uuid,
    /// Which sign-in it slid from. All tokens of one sign-in share it.
    pub sid: Uuid,
    /// The account's epoch at sign-in: a revocation of all sessions names the first epoch that survives it.
    pub epoch: i64,
    /// When the password was checked (OpenID Connect's name for it). Sliding never moves it.
    pub auth_time: i64,
    /// When this token was minted.
    pub iat: i64,
    /// When it stops being good: at this second it already is not.
    pub exp: i64,
    /// The ceiling that was set at sign-in: when the session's row is gone, so are its tokens.
    pub session_exp: i64,
    /// Not before, which this service never sends and honours when present.
    pub nbf: Option<i64>,
    /// What the two APIs show of the account.
    pub profile: Profile,
}

/// What a token shows of its account: `{username}` for one kind, `{email, firm_id, role}` for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// Of an account that signs in with an email address.
    Email {
        /// Canonical.
        email: String,
        /// Where the account belongs.
        firm_id: Uuid,
        /// `admin`, `user` or `viewer`.
        role: String,
    },
    /// Of an account that signs in with a username.
    Username {
        /// Canonical.
        username: String,
    },
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("sub", &self.sub)?;
        map.serialize_entry("sid", &self.sid)?;
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

/// From an object in which no name stands twice (RFC 7515 section 4: either reject or take the last; two readers that
/// choose differently can be played against each other). Claims that are not ours are ignored.
impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let (mut sub, mut sid, mut firm_id) = (None, None, None);
        let (mut epoch, mut auth_time, mut iat, mut exp, mut session_exp, mut nbf) =
            (None, None, None, None, None, None);
        let (mut email, mut role, mut username) = (None, None, None);
        let mut others = HashSet::new();
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "sub" => once(&mut sub, &mut map)?,
                "sid" => once(&mut sid, &mut map)?,
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
                _ if others.contains(&*name) => return Err(twice()),
                _ => {
                    others.insert(name.into_owned());
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let profile = match (email, firm_id, role, username) {
            (Some(email), Some(firm_id), Some(role), _) => Profile::Email { email, firm_id, role },
            (_, _, _, Some(username)) => Profile::Username { username },
            _ => return Err(A::Error::custom("a token of no kind of account")),
        };
        Ok(Claims {
            sub: required(sub)?,
            sid: required(sid)?,
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
        return Err(twice());
    }
    *claim = Some(map.next_value()?);
    Ok(())
}

fn twice<E: serde::de::Error>() -> E {
    E::custom("a name stands twice")
}

fn required<T, E: serde::de::Error>(claim: Option<T>) -> Result<T, E> {
    claim.ok_or_else(|| E::custom("a claim is missing"))
}

/// A name as it stands in the text, or what its escapes mean.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

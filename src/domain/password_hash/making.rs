//! What the maker of a hash made of a typed password before the scheme hashed it. Separate because a stored hash is
//! verified, and replaced, by the rule of its maker, and each rule stands here once.
//!
//! A rule is written before the text of the scheme, as in `$trimmed$2b$…`. A hash without such a mark has the rule of
//! its scheme: our own argon2id hashes the composed form (NFC), and other systems hash what was typed. Some of them
//! compose it, too, which nobody can see in the hash, so both are tried.
//!
//! When a hash is replaced by ours, three rules go on beside the new hash, because several texts were the same password
//! to the old system: the trimmed one, the 72 bytes of bcrypt and the compatibility form (NFKC).

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::bcrypt::KEY_BYTES;
use super::prehash::Prehash;
use super::{Password, Scheme};

/// Marks of rules, in the order in which they are written.
const TRIMMED: &str = "$trimmed";
/// The same before bcrypt, as earlier versions wrote it.
const TRIMMED_BCRYPT: &str = "$bcrypt-trimmed";
pub(super) const FOREIGN: &str = "$foreign";
const COMPATIBLE: &str = "$nfkc";
const SLASHED: &str = "$slashed";
const CUT: &str = "$cut72";

/// The rule of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Making {
    /// Whether the white space around the password is removed first.
    pub trimmed: bool,
    pub form: Form,
    /// Whether only the first 72 bytes count. The scheme bcrypt does that by itself.
    pub cut: bool,
}

/// The form of the text that is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// NFC, of our own hashes.
    Composed,
    /// What was typed, or NFC of it.
    Typed,
    /// The compatibility form, NFKC.
    Compatible,
    /// As `Typed`, with a backslash before each quote, backslash and NUL. WordPress adds them to what a form sends, and
    /// its command line does not.
    Slashed,
}

/// A text that the typed password may be to the maker of a hash.
pub(crate) struct Spelling {
    /// The bytes that the scheme hashes.
    pub input: Zeroizing<Vec<u8>>,
    /// What is hashed anew if it matches.
    pub renewal: Renewal,
}

/// The bytes that replace a foreign hash when they are hashed with argon2id, and the rule that goes on.
pub struct Renewal {
    pub(crate) input: Zeroizing<Vec<u8>>,
    pub(super) making: Making,
}

type TextBytes = Zeroizing<Vec<u8>>;

impl Making {
    const fn of(form: Form) -> Self {
        Self { trimmed: false, form, cut: false }
    }

    /// Takes the marks from the beginning of a text. The form is `None` if the text does not say it.
    pub(super) fn split(text: &str) -> (Option<Form>, bool, bool, &str) {
        let mut rest = text;
        let mut take = |mark: &str| match rest.strip_prefix(mark).filter(|after| after.starts_with('$')) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        };
        let trimmed = take(TRIMMED_BCRYPT) || take(TRIMMED);
        let forms = [(FOREIGN, Form::Typed), (COMPATIBLE, Form::Compatible), (SLASHED, Form::Slashed)];
        let form = forms.into_iter().find(|(mark, _)| take(mark)).map(|(_, form)| form);
        let cut = take(CUT);
        (form, trimmed, cut, rest)
    }

    /// Returns the rule of a scheme, given what the marks of its hash say.
    pub(super) fn new(scheme: &Scheme, form: Option<Form>, trimmed: bool, cut: bool) -> Self {
        let usual = if matches!(scheme, Scheme::Argon2(_)) && !cut { Form::Composed } else { Form::Typed };
        Self { trimmed, form: form.unwrap_or(usual), cut }
    }

    /// Writes the marks that stand before a hash of this scheme.
    pub(super) fn marks(self, scheme: &Scheme) -> String {
        let trimmed = match scheme {
            _ if !self.trimmed => "",
            Scheme::Bcrypt(_) if self.form == Form::Typed && !self.cut => TRIMMED_BCRYPT,
            _ => TRIMMED,
        };
        let form = match self.form {
            Form::Typed if matches!(scheme, Scheme::Argon2(_)) && !self.cut => FOREIGN,
            Form::Composed | Form::Typed => "",
            Form::Compatible => COMPATIBLE,
            Form::Slashed => SLASHED,
        };
        format!("{trimmed}{form}{}", if self.cut { CUT } else { "" })
    }

    /// Returns what a typed password may be to the maker of the hash, the likeliest first, at least one.
    pub(super) fn spellings(self, password: &Password, scheme: &Scheme, prehash: Option<&Prehash>) -> Vec<Spelling> {
        let trimmed = self.trimmed.then(|| password.trimmed());
        let password = trimmed.as_ref().unwrap_or(password);
        let texts = self.texts(password);
        let mut spellings = Vec::with_capacity(texts.len());
        for (hashed, kept) in &texts {
            let input = match prehash {
                Some(prehash) => prehash.of(hashed),
                None if self.cut => first_72(hashed),
                None => hashed.clone(),
            };
            let renewal = self.renewal(kept, scheme, prehash.is_some());
            // Symfony hashes what bcrypt would cut before bcrypt, and its hashes look like all others of PHP. No maker
            // with PHP gives bcrypt a NUL.
            let is_of_php = prehash.is_none() && matches!(scheme, Scheme::Bcrypt(hash) if hash.is_of_php);
            let has_nul = hashed.contains(&0);
            if !(is_of_php && has_nul) {
                spellings.push(Spelling { input, renewal });
            }
            if is_of_php && (has_nul || hashed.len() > KEY_BYTES) {
                let renewal = self.renewal(kept, scheme, true);
                spellings.push(Spelling { input: Prehash::Sha512Base64.of(hashed), renewal });
            }
        }
        spellings
    }

    /// Returns the texts to hash, each with the text that its owner types.
    fn texts(self, password: &Password) -> Vec<(TextBytes, TextBytes)> {
        let copy = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
        let (typed, composed) = (password.as_typed(), password.as_bytes());
        let both = |text: &[u8]| (copy(text), copy(text));
        match self.form {
            Form::Composed => vec![both(composed)],
            Form::Typed if typed == composed => vec![both(typed)],
            Form::Typed => vec![both(typed), both(composed)],
            Form::Compatible => vec![both(&compatible(typed))],
            Form::Slashed => {
                let slashed = slashed(typed);
                let mut texts = vec![(slashed.clone(), copy(typed))];
                // A text that slashes could have made is not taken as it is: it would be a second password.
                if *slashed != typed && !is_slashed(typed) {
                    texts.push(both(typed));
                }
                texts
            }
        }
    }

    /// Returns what replaces the hash when this text has matched. It is never longer than what the old hash looked at.
    fn renewal(self, text: &[u8], scheme: &Scheme, is_whole: bool) -> Renewal {
        let of = |making: Self, input| Renewal { input, making: Self { trimmed: self.trimmed, ..making } };
        let is_bcrypt = matches!(scheme, Scheme::Bcrypt(_)) && !is_whole;
        if self.form == Form::Compatible {
            return of(Self::of(Form::Compatible), Zeroizing::new(scheme.without_padding(text).to_vec()));
        }
        if self.cut || is_bcrypt && text.len() >= KEY_BYTES {
            return of(Self { cut: true, ..Self::of(Form::Typed) }, first_72(text));
        }
        let shortest = if is_bcrypt { shortest_of_bcrypt(text) } else { scheme.without_padding(text) };
        of(Self::of(Form::Composed), composed(shortest))
    }
}

fn first_72(text: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text[..text.len().min(KEY_BYTES)].to_vec())
}

/// Returns NFC of a text; bytes that are no text remain what they are.
fn composed(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let Ok(text) = str::from_utf8(text) else { return Zeroizing::new(text.to_vec()) };
    // Composing can grow a text threefold. The capacity is reserved once, so that growing leaves no copy behind.
    let mut composed = Zeroizing::new(Vec::with_capacity(3 * text.len()));
    let mut buffer = [0; 4];
    text.nfc().for_each(|letter| composed.extend(letter.encode_utf8(&mut buffer).as_bytes()));
    composed
}

/// Returns NFKC of a text, which can grow it by a factor of eleven.
fn compatible(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = str::from_utf8(text).unwrap_or_default();
    let mut compatible = Zeroizing::new(Vec::with_capacity(11 * text.len()));
    let mut buffer = [0; 4];
    text.nfkc().for_each(|letter| compatible.extend(letter.encode_utf8(&mut buffer).as_bytes()));
    compatible
}

/// Adds slashes as PHP's `addslashes` does.
fn slashed(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut slashed = Zeroizing::new(Vec::with_capacity(2 * text.len()));
    for byte in text {
        match byte {
            b'\'' | b'"' | b'\\' => slashed.extend([b'\\', *byte]),
            0 => slashed.extend(b"\\0"),
            _ => slashed.push(*byte),
        }
    }
    slashed
}

/// Whether [`slashed`] could have made the text.
fn is_slashed(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if matches!(bytes.next(), Some(b'\'' | b'"' | b'\\' | b'0')) => {}
            b'\\' | b'\'' | b'"' | 0 => return false,
            _ => {}
        }
    }
    true
}

/// Returns the shortest text that is the same password to bcrypt. It repeats the text with its NUL up to 72 bytes, so
/// that `a`, a NUL and `a` are the password `a`.
fn shortest_of_bcrypt(text: &[u8]) -> &[u8] {
    let looked_at = |text: &[u8]| -> Zeroizing<Vec<u8>> {
        Zeroizing::new(text.iter().chain(&[0]).copied().cycle().take(KEY_BYTES).collect())
    };
    let whole = looked_at(text);
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(end, _)| &text[..end]);
    ends.into_iter().find(|shorter| looked_at(shorter) == whole).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{is_slashed, shortest_of_bcrypt, slashed};

    #[test]
    fn slashes_are_those_of_php() {
        for (typed, with_slashes) in [("a'b", "a\\'b"), ("\"\\", "\\\"\\\\"), ("a\0", "a\\0"), ("plain", "plain")] {
            assert_eq!(slashed(typed.as_bytes()).as_slice(), with_slashes.as_bytes());
            assert!(is_slashed(with_slashes.as_bytes()));
            assert_eq!(is_slashed(typed.as_bytes()), typed == with_slashes);
        }
        assert!(!is_slashed(b"end\\") && !is_slashed(b"\\n"));
    }

    #[test]
    fn bcrypt_repeats_a_short_key() {
        for (text, shortest) in
            [("a", "a"), ("a\0a", "a"), ("a\0a\0a", "a"), ("a\0b", "a\0b"), ("a\0", "a\0"), ("", "")]
        {
            assert_eq!(shortest_of_bcrypt(text.as_bytes()), shortest.as_bytes(), "{text:?}");
        }
    }
}

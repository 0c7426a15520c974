//! Token checks with asymmetric keys beside those with the secret: of clients that come again, and of sessions that
//! come once, for which the memory of tokens is of no use.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use argon2::Params;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_guard::token::{Asymmetric, SigningKey};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};

use super::checks::{Runner, drive};
use super::{Ours, two_cores};
use crate::harness::data::Minter;
use crate::harness::machine::Pinned;
use crate::harness::table::Kind;
use crate::harness::{Bench, Goal, Outcome, Row};

const ISSUER: &str = "https://auth.example.com";

/// Many more sessions than the memory of tokens holds.
const SESSIONS: u64 = 20_000;

/// A server that signs with a key of this algorithm, which the benchmark knows as well.
struct Signing {
    algorithm: Asymmetric,
    key: Vec<u8>,
    ours: Ours,
    minter: Minter,
}

impl Signing {
    fn start(algorithm: Asymmetric, folder: &Path, core: Option<usize>) -> Self {
        let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
        let file = folder.join(algorithm.name());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&pkcs8));
        fs::write(&file, pem).unwrap();
        let file = file.display().to_string();
        let settings = [("TOKEN_ALGORITHM", algorithm.name()), ("ISSUER", ISSUER), ("SIGNING_KEY_FILE", &file)];
        let ours = Ours::on(core, &Params::default(), &settings);
        Self { algorithm, key: pkcs8, ours, minter: Minter::of_key(key, ISSUER) }
    }

    /// The microseconds of one signature and of one verification, by `jsonwebtoken`.
    fn costs(&self, core: Option<usize>) -> f64 {
        let jwk = SigningKey::from_pkcs8(self.algorithm, &self.key).unwrap().public().jwk().clone();
        let algorithm: Algorithm = self.algorithm.name().parse().unwrap();
        let private = match self.algorithm {
            Asymmetric::EdDsa => EncodingKey::from_ed_der(&self.key),
            Asymmetric::Es256 => EncodingKey::from_ec_der(&self.key),
            Asymmetric::Rs256 => EncodingKey::from_rsa_der(&self.key),
        };
        let (public, message) = (DecodingKey::from_jwk(&jwk).unwrap(), [b'x'; 400]);
        let signature = crypto::sign(&message, &private, algorithm).unwrap();
        let _pinned = Pinned::to(core);
        let each = |work: &dyn Fn()| {
            let begun = Instant::now();
            (0..2_000).for_each(|_| work());
            begun.elapsed().as_secs_f64() * 1e6 / 2_000.0
        };
        let signing = each(&|| {
            black_box(crypto::sign(black_box(&message), &private, algorithm).unwrap());
        });
        signing
            + each(&|| {
                assert!(crypto::verify(black_box(&signature), &message, &public, algorithm).unwrap());
            })
    }
}

pub fn algorithms(bench: &mut Bench) {
    let (core, _) = two_cores();
    let folder = tempfile::tempdir().unwrap();
    let (secret, by_secret) = (Ours::start(core), Minter::of_secret());
    let signing = [Asymmetric::Es256, Asymmetric::EdDsa].map(|it| Signing::start(it, folder.path(), core));
    let again = |minter: &Minter| minter.me(1..=64);
    // As many sessions of the same accounts.
    let once = |minter: &Minter| minter.me((0..SESSIONS).map(|number| 1 + number % 64));
    let calls = [&by_secret, &signing[0].minter, &signing[1].minter].map(|minter| (again(minter), once(minter)));
    let processes = [&secret, &signing[0].ours, &signing[1].ours].map(|ours| &ours.process);
    let mut runners = Vec::new();
    for (name, process, (again, once)) in
        [("HS256", processes[0], &calls[0]), ("ES256", processes[1], &calls[1]), ("EdDSA", processes[2], &calls[2])]
    {
        runners.push(Runner::new(name, process, again, 8, 16));
        runners.push(Runner::new(name, process, once, 8, 16));
    }
    drive(bench, &mut runners);
    let [hs_again, hs_once, keys @ ..] = &runners[..] else { return };
    for (signing, of_key) in signing.iter().zip(keys.chunks(2)) {
        let [again, once] = of_key else { return };
        let name = signing.algorithm.name();
        let row = Row::ratio(format!("{name} ÷ HS256"), "/s", again.each(Outcome::rate), hs_again.each(Outcome::rate));
        bench.row(row.quoted(format!("{name}-again"), Kind::Rate).goal(Goal::AtLeast(0.85)));
        let costs = signing.costs(core);
        let limit = |rate: f64| 1e6 / (1e6 / rate + costs);
        let limits = hs_once.each(Outcome::rate).into_iter().map(limit).collect();
        let row = Row::ratio(format!("{name}, once a session ÷ its limit"), "/s", once.each(Outcome::rate), limits);
        bench.row(row.quoted(format!("{name}-once"), Kind::Rate).goal(Goal::AtLeast(0.8)));
        bench.row(Row::plain(format!("  {name}, one signature and one verification"), "µs", vec![costs]));
    }
}

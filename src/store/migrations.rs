//! The migrations of both engines, from `migrations/`. Separate because sqlx's macro `migrate!` would do the same at a
//! high price: with it, every build compiles SQLite and both drivers a second time, for the compiler.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The files of `migrations/$engine`, as pairs of a name without `.sql` and the content.
macro_rules! files {
    ($engine:literal: $($name:literal),+) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $engine, "/", $name, ".sql")))),+]
    };
}

/// Returns the migrations of a database file.
pub(super) fn sqlite() -> Migrator {
    migrator(&files!(
        "sqlite": "0001_accounts", "0002_session_details", "0003_account_life", "0004_attempts", "0005_mail", "0006_audit",
        "0007_signing_key", "0008_token_keys", "0009_second_factors"
    ))
}

/// Returns the migrations of a database on a PostgreSQL server.
pub(super) fn postgres() -> Migrator {
    migrator(&files!(
        "postgres": "0001_accounts", "0002_session_details", "0003_account_life", "0004_attempts", "0005_mail", "0006_audit",
        "0007_signing_key", "0008_token_keys", "0009_second_factors"
    ))
}

/// Names and checks them as sqlx does, so that it recognises them in a database that is already migrated: the version
/// is the number before the first `_`, and the description is the rest with spaces.
fn migrator(files: &[(&'static str, &'static str)]) -> Migrator {
    let migration = |&(name, sql): &(&'static str, &'static str)| {
        let (version, description) = name.split_once('_')?;
        let description = description.replace('_', " ").into();
        Some(Migration::new(version.parse().ok()?, description, MigrationType::Simple, sql.into_sql_str(), false))
    };
    Migrator::with_migrations(files.iter().filter_map(migration).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::migrate::Migrator;

    /// The first bytes of the checksums that every database of these versions holds. One that differs keeps that
    /// database from opening: add a migration instead of editing one.
    const RELEASED: [(&str, [&str; 9]); 2] = [
        (
            "sqlite",
            [
                "3e00090d1cdd9260",
                "a3c4e3559809840a",
                "85742cfce75978b4",
                "b6dd63a11cbb6b00",
                "533ce1f4d3f1d733",
                "c82432779a128735",
                "845f8b6b0f8a335f",
                "f300e47f057ec33b",
                "f0568a8aa1431f81",
            ],
        ),
        (
            "postgres",
            [
                "7a4262607af481df",
                "865e06ad913077c3",
                "5886a2018172e156",
                "09faffb25d1228e7",
                "9100ba2b0da01fd9",
                "cf5c00c9faaab693",
                "0b26c9a8cd47600c",
                "07ce559491d00f29",
                "28303d1864f01be6",
            ],
        ),
    ];

    fn described(migrator: &Migrator) -> Vec<(i64, String, bool, String)> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let described = |migration: &sqlx::migrate::Migration| {
            (migration.version, migration.description.to_string(), migration.no_tx, hex(&migration.checksum))
        };
        migrator.iter().map(described).collect()
    }

    #[tokio::test]
    async fn every_file_is_a_migration_as_sqlx_reads_it_with_the_checksum_that_databases_hold() {
        for ((engine, released), ours) in RELEASED.into_iter().zip([super::sqlite(), super::postgres()]) {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
            let ours = described(&ours);
            assert_eq!(ours, described(&Migrator::new(folder).await.unwrap()), "{engine}");
            for ((version, _, _, checksum), released) in ours.iter().zip(released) {
                assert!(checksum.starts_with(released), "{engine} {version}: {checksum}");
            }
        }
    }
}

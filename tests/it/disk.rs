//! A full disk: no acknowledged write is lost, tokens are still checked, and service resumes when there is room again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{PASSWORD, TestApp};

/// A file system of one MiB in memory, which is unmounted when dropped.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts it. Returns `None` if this user may not mount a file system.
    pub fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it with one file, which is returned.
    pub fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        assert!(fs::write(&filler, vec![0; 2_000_000]).is_err(), "it holds a megabyte");
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount, because the connections of the app under test may outlive the disk by a moment.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_is_over_once_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        crate::support::skip::skip_for_privileges("right of this user to mount a file system");
        return;
    };
    let app = TestApp::with(&[&format!("--database-url=sqlite:{}/test.db", disk.path().display())]).await;
    let token = app.sign_in_username("alice").await;
    let filler = disk.fill();

    let mut acknowledged = vec!["alice".to_owned()];
    let mut refusals = 0;
    for number in 0..100 {
        let name = format!("user{number}");
        let answer = app.post("/api/auth/register", &json!({ "username": name, "password": PASSWORD })).await;
        match answer.status {
            StatusCode::OK => acknowledged.push(name),
            status => {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 10, "the disk was not full");
    assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, StatusCode::NO_CONTENT);
    let logout = app.post_empty("/auth/logout", &[("token", &token)]).await;
    assert_eq!(logout.status, StatusCode::SERVICE_UNAVAILABLE, "no logout is acknowledged that cannot be kept");
    let text = "the service is out of reach for the moment: try again";
    assert_eq!(logout.json(), json!({ "detail": text, "error_code": "unavailable", "error": "unavailable" }));
    assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, StatusCode::NO_CONTENT);

    fs::remove_file(filler).unwrap();
    app.sign_in_username("afterwards").await;
    for name in acknowledged {
        let login = app.post("/api/auth/login", &json!({ "username": name, "password": PASSWORD })).await;
        assert_eq!(login.status, StatusCode::OK, "{name}: {login:?}");
    }
}

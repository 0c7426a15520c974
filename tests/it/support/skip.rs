//! Tests that this machine cannot run. The test harness prints such a test as `ok`, and hides what a passed test
//! prints. So each is named on standard error directly, `.ci/run` lists them, and in CI they fail.

use std::io::Write as _;

/// Reports that the calling test is skipped because the machine has no `missing`. In CI that is a failure, because a
/// machine of CI has every tool.
#[expect(clippy::disallowed_methods, reason = "CI tells the tests that nothing may be missing")]
pub fn skip(missing: &str) {
    assert!(std::env::var_os("CI").is_none(), "tests must not be skipped in CI, and this machine has no {missing}");
    skip_for_privileges(missing);
}

/// Reports that the calling test is skipped because of the user that runs it, also in CI.
pub fn skip_for_privileges(missing: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {test}: this machine has no {missing}");
}
